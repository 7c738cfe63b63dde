"""Crash campaigns: a child engine is killed, and three journals say whether anything was lost."""
