"""What a message becomes, route by route, and what its sender is told: pure CPU work."""
