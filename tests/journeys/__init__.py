"""End-to-end proofs by use case, on the real engine with real peers."""
