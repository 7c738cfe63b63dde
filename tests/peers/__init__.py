"""Real servers for tests: each starts on private ports in a temporary folder and is stopped by its pid."""
