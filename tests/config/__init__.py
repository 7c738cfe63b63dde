"""Configuration: what is refused, where it says so, and what comes of what is accepted."""
