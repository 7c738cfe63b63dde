"""New deliveries that wait in a lane, kept at hand until their turn comes: most are sent moments after they came."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

COUNT = 8_192
"""Entries at most."""

BYTES = 8 * 2**20
"""Bytes of content at most, over all entries (G6)."""


class Waiting(Generic[T]):
    """Values by the sequence of a delivery; the oldest go first where there are too many.

    An entry says what the row was when it was written: it may be used while the row's revision is still 0.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[T, int]] = {}
        self._bytes = 0

    def put(self, sequence: int, value: T, size: int) -> None:
        """Keep a value that holds so many bytes."""
        self._entries[sequence] = (value, size)
        self._bytes += size
        while len(self._entries) > COUNT or self._bytes > BYTES:
            self.take(next(iter(self._entries)))

    def take(self, sequence: int) -> T | None:
        """Return a value and forget it; None where it is not kept."""
        found = self._entries.pop(sequence, None)
        if found is None:
            return None
        self._bytes -= found[1]
        return found[0]

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._bytes = 0
