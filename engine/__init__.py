"""The integration engine: receives, stores, routes and insists. It imports no channel."""

__version__ = "0.1.0"
