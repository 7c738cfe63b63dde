"""What the engine shows of itself: structured logs and metrics, without personal data."""
