"""The disk under the store: how fast it syncs, how much is free, and a ballast that is given up when it is full."""

from __future__ import annotations

import os
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StoreFailed

BALLAST_BYTES = 64 * 1024 * 1024
PROBES = 5


@dataclass(frozen=True, slots=True)
class Space:
    """What is left on a file system, for somebody who is not root."""

    free_bytes: int
    free_share: float


def space(folder: Path) -> Space:
    """Return what is left under a folder."""
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_bavail / max(1, found.f_blocks))


def probe(path: Path) -> float:
    """Write and sync one page several times; return the median in milliseconds and leave nothing behind.

    Raises:
        StoreFailed: the disk is read-only or refuses a write or an fsync.
    """
    took = []
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            for _ in range(PROBES):
                begun = time.perf_counter()
                os.pwrite(handle, bytes(4096), 0)
                os.fdatasync(handle)
                took.append((time.perf_counter() - begun) * 1000)
        finally:
            os.close(handle)
            path.unlink()
    except OSError as error:
        raise StoreFailed(f"{path.parent}: the disk refuses a write and fsync: {error.strerror}") from error
    return statistics.median(took)


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names of a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Ballast:
    """A file that holds space for the moment when the disk is full; on a full disk even DELETE needs some."""

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        """Whether the space is held now."""
        return self._size == 0 or self._path.exists()

    def hold(self) -> bool:
        """Take the space where twice as much is free; return whether it is held."""
        if self.held:
            return True
        if space(self._path.parent).free_bytes < 2 * self._size:
            return False
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the space up."""
        with suppress(OSError):
            self._path.unlink()
