"""Connections over TCP and TLS, as every channel that speaks a protocol of its own makes and takes them; no channel."""
