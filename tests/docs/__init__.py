"""The documentation is true: its commands run, its reference is fresh, its links lead somewhere."""
