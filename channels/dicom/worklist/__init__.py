"""Radiology's day: what is scheduled is found by modalities, and what they perform is heard."""
