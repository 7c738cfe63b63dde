"""Measures how much the shipped mappers carry, and writes docs/reference/mapper-coverage.md."""
