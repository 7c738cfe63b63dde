"""A folder in memory that is made to hold what one power cut after the other leaves.

Body files are never written again once they are synced. Each is written here once and hard-linked into every state that
has it, and its digest is read again only where the file is another one or was touched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.power.disk import Left

_BODIES = ".bodies/"


class Cutting:
    """One worker's folder; `put` makes it hold a state, and nothing that was there before."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(dir=_memory(), prefix="power-"))
        self.folder = self._root / "state"
        self._kept = self._root / "kept"
        for folder in (self.folder, self._kept):
            folder.mkdir()
        self._copies: dict[tuple[int, ...], tuple[str, int]] = {}
        self._linked: set[int] = set()
        self._digests: dict[tuple[int, int, int], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._root)

    def put(self, state: Iterable[Left]) -> None:
        """Write a state: what the last one left is written over, linked again only where it has to be, or removed."""
        there = _tree(self.folder)
        for left in state:
            path = f"{self.folder}/{left.name}"
            inode = there.pop(path, None)
            if left.whole and _BODIES in left.name:
                copy, wanted = self._one(left)
                if inode != wanted:
                    _clear(path, inode)
                    os.link(copy, path)
                continue
            if inode is None or inode in self._linked:
                _clear(path, inode)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb", buffering=0) as file:
                file.write(left.content())
                file.truncate()
        for path in there:
            os.unlink(path)

    def digest(self, path: str) -> bytes | None:
        """Return the SHA-256 of a body file, None where it is not there."""
        try:
            found = os.stat(path)
            key = (found.st_ino, found.st_size, found.st_mtime_ns)
            if key not in self._digests:
                with open(path, "rb") as file:
                    self._digests[key] = hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            return None
        return self._digests[key]

    def _one(self, left: Left) -> tuple[str, int]:
        """Return the only copy of a body file, and its inode."""
        if left.key not in self._copies:
            path = f"{self._kept}/{'-'.join(map(str, left.key))}"
            with open(path, "wb") as file:
                file.write(left.content())
            inode = os.stat(path).st_ino
            self._copies[left.key] = (path, inode)
            self._linked.add(inode)
        return self._copies[left.key]


def _tree(folder: Path | str) -> dict[str, int]:
    """Return path and inode of every file under a folder."""
    found: dict[str, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.update(_tree(entry.path))
            else:
                found[entry.path] = entry.inode()
    return found


def _clear(path: str, inode: int | None) -> None:
    """Let a file be made at a path, whether another is there or not even its folder."""
    if inode is None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    else:
        os.unlink(path)


def _memory() -> str | None:
    """Return a folder in memory where there is one: thousands of states need no real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
