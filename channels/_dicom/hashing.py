"""The digest of a file while it is written: a thread reads what is there already, so that a large instance waits less.

It reads from the file, which the page cache still holds: nothing is copied for it and no queue can grow.
"""

from __future__ import annotations

import os
from threading import Condition, Thread
from typing import Final, Protocol

from engine.model import INLINE_LIMIT

_PIECE: Final = INLINE_LIMIT
"""Bytes that are hashed at once, as many as an instance in memory may have: that much was admitted for it."""


class Digest(Protocol):
    """What of `hashlib` is used."""

    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class Following:
    """Hashes a file from a position on, as far as it is told that it was written; used by one thread at a time.

    The descriptor stays open until `finish` or `stop` has returned.
    """

    def __init__(self, descriptor: int, digest: Digest, start: int) -> None:
        self._descriptor = descriptor
        self._digest = digest
        self._at = self._written = start
        self._over = self._unwanted = False
        self._error: OSError | None = None
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="dicom digest", daemon=True)
        self._thread.start()

    def reached(self, size: int) -> None:
        """Say how many bytes the file has."""
        with self._changed:
            self._written = size
            self._changed.notify()

    def finish(self) -> bytes:
        """Return the digest of the whole file once the rest of it is hashed; OSError where it cannot be read."""
        self._end()
        if self._error is not None:
            raise self._error
        return self._digest.digest()

    def stop(self) -> None:
        """Leave it; harmless afterwards, and again."""
        self._unwanted = True
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        buffer = memoryview(bytearray(_PIECE))
        try:
            while size := self._more():
                read = os.preadv(self._descriptor, [buffer[:size]], self._at)
                if not read:
                    raise OSError("the file of an instance is shorter than what was written to it")
                self._digest.update(buffer[:read])
                self._at += read
        except OSError as error:
            self._error = error

    def _more(self) -> int:
        """Return how many bytes are to be hashed next, 0 once there are no more; waits for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._written > self._at)
            return 0 if self._unwanted else min(self._written - self._at, _PIECE)
