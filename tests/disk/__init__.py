"""A disk that is full, that fails, or that may only be read, under an engine in full traffic."""
