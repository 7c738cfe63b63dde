"""Seeded bugs: each is a patch that a named test must catch."""
