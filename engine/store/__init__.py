"""Durable state: what was accepted, what is owed, what was tried, and the journal of all of it."""
