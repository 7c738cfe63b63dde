"""Ids of 20 characters that sort by time: they fit MSH-10 before HL7 v2.7 and `webhook-id` alike.

Layout, 100 bits in Crockford base32 (https://www.crockford.com/base32.html): 48 bits of UTC milliseconds,
10 bits of node, 42 bits of randomness that only grows within one millisecond.
"""

from __future__ import annotations

import os

from engine.clock import Clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 20
_RANDOM_BITS = 42
_NODE_BITS = 10
_LOW = (1 << 50) - 1
_FRESH_BYTES = 6
_FRESH_MASK = (1 << (_RANDOM_BITS - 1)) - 1
_STEP_BYTES = 2
_PAGE = 4096
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


class IdSource:
    """Makes ids that are unique per node and strictly ascending within a process, also when the clock steps back."""

    def __init__(self, clock: Clock, *, node: int = 0) -> None:
        if not 0 <= node < 1 << _NODE_BITS:
            raise ValueError(f"node must be 0..{(1 << _NODE_BITS) - 1}, not {node}")
        self._clock = clock
        self._node = node << _RANDOM_BITS
        self._last_ms = 0
        self._random = 0
        self._chance = b""
        self._drawn = 0

    def next(self) -> str:
        """Return a fresh id, greater than every one before it."""
        now = self._clock.now_ms()
        if now > self._last_ms:
            self._last_ms = now
            self._random = self._draw(_FRESH_BYTES) & _FRESH_MASK
        else:
            self._random += 1 + self._draw(_STEP_BYTES)
            if self._random >> _RANDOM_BITS:
                self._last_ms += 1
                self._random = self._draw(_FRESH_BYTES) & _FRESH_MASK
        return encode((self._last_ms << (_NODE_BITS + _RANDOM_BITS)) | self._node | self._random)

    def _draw(self, size: int) -> int:
        """Return so many bytes of the system's randomness as an integer; they are fetched by the page."""
        at = self._drawn
        if at + size > len(self._chance):
            self._chance, at = os.urandom(_PAGE), 0
        self._drawn = at + size
        return int.from_bytes(self._chance[at : at + size], "big")


def encode(number: int) -> str:
    """Return `number` (0 <= number < 2**100) as 20 characters."""
    high, low = number >> 50, number & _LOW  # halves fit a machine word
    return (
        f"{_PAIRS[high >> 40]}{_PAIRS[high >> 30 & 1023]}{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}"
        f"{_PAIRS[high & 1023]}{_PAIRS[low >> 40]}{_PAIRS[low >> 30 & 1023]}{_PAIRS[low >> 20 & 1023]}"
        f"{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )
