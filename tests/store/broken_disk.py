"""A disk that fails when told: a VFS of SQLite between the store and the real one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

BALLAST = 256 * 1024
"""Bytes of the ballast that goes with a broken disk."""

_names = itertools.count(1)


class BrokenDisk(apsw.VFS):
    """Counts writes and syncs of the database and its WAL, and fails the one that it is told to.

    `fail_write` and `fail_sync` are how many more go well before one fails; None fails none. `error` is what then is
    raised, `room` the bytes that files may still grow by before the disk is full (None: no limit). Once the file
    `ballast` is gone, its size is room as well.
    """

    def __init__(self) -> None:
        self.vfs_name = f"broken-{next(_names)}"
        self.writes = self.syncs = 0
        self.fail_write: int | None = None
        self.fail_sync: int | None = None
        self.error: type[apsw.Error] = apsw.IOError
        self.room: int | None = None
        self.ballast: Path | None = None
        self.sizes: dict[str, int] = {}
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> BrokenFile:
        return BrokenFile(self, name, flags)

    def written(self, file: str, end: int) -> None:
        """Count a write; raise what this test wishes."""
        self.writes += 1
        if self.fail_write is not None:
            self.fail_write -= 1
            if self.fail_write < 0:
                raise self.error("a write failed, as this test wishes")
        grown = end - self.sizes.get(file, 0)
        if grown > 0:
            if self.room is not None:
                if self.ballast is not None and not self.ballast.exists():
                    self.room += BALLAST
                    self.ballast = None
                if grown > self.room:
                    raise apsw.FullError("no room, as this test wishes")
                self.room -= grown
            self.sizes[file] = end

    def synced(self) -> None:
        """Count a sync; raise what this test wishes."""
        self.syncs += 1
        if self.fail_sync is not None:
            self.fail_sync -= 1
            if self.fail_sync < 0:
                raise apsw.IOError("a sync failed, as this test wishes")


class BrokenFile(apsw.VFSFile):
    """A file of a broken disk."""

    def __init__(self, disk: BrokenDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.written(self._name, offset + len(data))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.synced()
        super().xSync(flags)


@contextmanager
def broken_disk() -> Iterator[BrokenDisk]:
    """Give a disk that works until it is told to fail."""
    disk = BrokenDisk()
    try:
        yield disk
    finally:
        disk.unregister()
