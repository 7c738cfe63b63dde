"""The journal's vocabulary, export and redaction."""
