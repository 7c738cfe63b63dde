"""How much structure a data set may have, and how much of it is ever held in memory.

Counted while it is read: what is hostile ends at a bound, whatever lengths it declares.
"""

from __future__ import annotations

from typing import Final

from engine.errors import MalformedMessage

MAX_DEPTH: Final = 64
"""Sequences within one another."""
MAX_ELEMENTS: Final = 250_000
"""Elements and items that are looked at in one instance; each costs about 1 us and 300 bytes."""
MAX_VALUE: Final = 1024 * 1024
"""Bytes of one value that is read; larger ones are carried and never looked into."""
MAX_HEAD: Final = 16 * 1024 * 1024
"""Bytes of all values together that one reading keeps."""
MAX_INFLATED: Final = 64 * 1024 * 1024
"""Bytes of a deflated data set after it was inflated."""


def malformed(text: str, position: int, tag: int | None = None) -> MalformedMessage:
    """Return the error of bytes that are no data set; it names the element and the offset, never a value."""
    path = "" if tag is None else f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    where = f"{path}: " if path else ""
    return MalformedMessage(f"{where}{text} at byte {position}", position=position, path=path)


class Budget:
    """What is left of `MAX_ELEMENTS`, shared by all data sets of one instance."""

    __slots__ = ("left",)

    def __init__(self, elements: int = MAX_ELEMENTS) -> None:
        self.left = elements

    def spend(self, position: int) -> None:
        """Count one element or item; MalformedMessage where there are too many."""
        self.left -= 1
        if self.left < 0:
            raise self.spent(position)

    def spent(self, position: int) -> MalformedMessage:
        """Return the error of what has too many."""
        return malformed(f"more than {MAX_ELEMENTS} elements", position)
