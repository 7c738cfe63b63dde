"""From a durable delivery to its outcome: lanes, turns, attempts, and what becomes of each."""
