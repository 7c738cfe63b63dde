"""Finds the files of a folder that are whole: regular, visible, matching, and standing still for long enough."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

MOST = 1000
"""Files looked at in one round; with the order by name the next ones follow when these are gone."""

_UNFINISHED = (".tmp", ".part")


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """What tells one state of one file from another: modification time in ns, size in bytes, inode, device."""

    mtime_ns: int
    size: int
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> Signature:
        return cls(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was seen: its name in the folder and its state."""

    name: str
    signature: Signature


class Watch:
    """Remembers since when each file has stood still; times are monotonic seconds of the caller's clock."""

    def __init__(self, folder: Path, match: str, *, by_time: bool, stable: float) -> None:
        self.folder = folder
        self._match = match
        self._by_time = by_time
        self._stable = stable
        self._since: dict[Found, float] = {}
        self._aside: dict[str, float] = {}

    def scan(self) -> Sequence[Found]:
        """List at most `MOST` candidates, in order; blocks on the disk, touches no memory of other rounds."""
        with os.scandir(self.folder) as entries:
            if self._by_time:
                return heapq.nsmallest(
                    MOST, self._looked_at(entries), key=lambda found: (found.signature, found.name)
                )
            names = heapq.nsmallest(MOST, (entry.name for entry in entries if self._wanted(entry)))
        return [found for name in names if (found := self._look(name)) is not None]

    def whole(self, found: Sequence[Found], now: float) -> Sequence[Found]:
        """Return those that have stood still for long enough; the rest is remembered until the next round."""
        self._since = {each: self._since.get(each, now) for each in found}
        self._aside = {name: until for name, until in self._aside.items() if until > now}
        return [each for each, since in self._since.items() if now - since >= self._stable]

    def forget(self, found: Found) -> None:
        """Let a file that changed while it was read stand still once more."""
        self._since.pop(found, None)

    def set_aside(self, name: str, until: float) -> None:
        """Leave a file alone until then, so that it does not hold up the others."""
        self._aside[name] = until

    def _wanted(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        return (
            not name.startswith(".")
            and not name.endswith(_UNFINISHED)
            and fnmatchcase(name, self._match)
            and name not in self._aside
            and entry.is_file(follow_symlinks=False)
        )

    def _looked_at(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[Found]:
        for entry in entries:
            if self._wanted(entry) and (found := self._look(entry.name)) is not None:
                yield found

    def _look(self, name: str) -> Found | None:
        try:
            found = os.lstat(self.folder / name)
        except FileNotFoundError:
            return None
        return Found(name, Signature.of(found)) if stat.S_ISREG(found.st_mode) else None
