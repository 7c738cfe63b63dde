"""MLLP frames as a person's tools need them: one message between 0B and 1C 0D.

Source: HL7 MLLP release 1, "Transport Specification: MLLP" 2 (block format).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"
MOST_BYTES: Final = 64 << 20
"""Bytes of one frame: more is no message."""


class TooLarge(ValueError):
    """A frame has more than `MOST_BYTES`."""


def framed(message: bytes) -> bytes:
    """Return a message as it travels."""
    return START + message + END


@dataclass(slots=True)
class Frames:
    """Takes frames out of a stream, whatever pieces it comes in; bytes between frames are passed over."""

    _held: bytearray = field(default_factory=bytearray)
    _searched: int = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now.

        Raises:
            TooLarge: a frame does not end.
        """
        self._held += data
        found: list[bytes] = []
        while (message := self._next()) is not None:
            found.append(message)
        if len(self._held) > MOST_BYTES:
            raise TooLarge
        return found

    def _next(self) -> bytes | None:
        if not self._searched:
            start = self._held.find(START)
            skipped = len(self._held) if start < 0 else start
            del self._held[:skipped]
            if not self._held:
                return None
        end = self._held.find(END, max(1, self._searched - 1))
        if end < 0:
            self._searched = len(self._held)
            return None
        message = bytes(self._held[1:end])
        del self._held[: end + len(END)]
        self._searched = 0
        return message
