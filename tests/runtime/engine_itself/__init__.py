"""What the engine observes of itself, and how it wires channels."""
