"""The journal's vocabulary and its export."""
