"""Where the bytes of an instance are: in memory, or in a file of which only the part that is looked at is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from engine.codecs.dicom.bounds import malformed
from engine.errors import Transient

_WINDOW: Final = 64 * 1024


class Source:
    """Immutable content; positions are byte offsets in it. A file is opened for each window, and never kept open."""

    __slots__ = ("_base", "_limit", "_window", "path", "size")

    def __init__(self, data: bytes | None, path: Path | None = None, size: int = 0) -> None:
        self.path = path if data is None else None
        self.size = size if data is None else len(data)
        self._window = data or b""
        self._base = 0
        self._limit = len(self._window)

    @classmethod
    def of(cls, content: Path | bytes) -> Source:
        """Return the source of bytes, or of a file as it is now; Transient where the file cannot be read."""
        if isinstance(content, bytes):
            return cls(content)
        try:
            return cls(None, content, content.stat().st_size)
        except OSError as error:
            raise _unreadable(error) from error

    def look(self, position: int, count: int) -> tuple[bytes, int]:
        """Return bytes, and where in them `position` is; at least `count` follow.

        Raises:
            MalformedMessage: the content ends before.
            Transient: the file cannot be read.
        """
        if self._base <= position and position + count <= self._limit:
            return self._window, position - self._base
        if position + count > self.size:
            raise malformed("the content ends in the middle of an element", self.size)
        self._fill(position, max(count, _WINDOW))
        return self._window, 0

    def take(self, start: int, end: int) -> bytes:
        """Return the bytes between two positions."""
        window, at = self.look(start, end - start)
        return window[at : at + end - start]

    def _fill(self, position: int, count: int) -> None:
        assert self.path is not None, "content in memory is one window"
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = _read(descriptor, min(count, self.size - position), position)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unreadable(error) from error
        self._window, self._base, self._limit = data, position, position + len(data)


def _read(descriptor: int, count: int, position: int) -> bytes:
    pieces = []
    while count:
        piece = os.pread(descriptor, count, position)
        if not piece:
            raise OSError("it has become shorter")
        pieces.append(piece)
        position += len(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _unreadable(error: OSError) -> Transient:
    return Transient(f"the file of an instance cannot be read: {error.strerror or error}", code="disk")
