"""From a door to a durable decision and its reply."""
