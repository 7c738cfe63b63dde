"""Tests of Passerelle: each folder mirrors a room, `journeys` walk whole use cases, `peers` start real servers."""
