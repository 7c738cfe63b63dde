"""The API: what it answers, to whom, and how failures are told."""
