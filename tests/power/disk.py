"""A disk that may lose power: what was synced is there, what was not may be, in part, or torn.

Strict on purpose: a name is durable once its folder was synced, content once its file was; fsync of a file makes no
name durable. What was asked for later may be there without what was asked for before.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from pathlib import PurePosixPath
from typing import TypeVar

from tests.power.recording import Record

T = TypeVar("T")

SECTOR = 512
"""Bytes that a disk writes whole."""


class Survives(Enum):
    """How much of what was not synced is on the disk after the cut."""

    NONE = "none"
    ALL = "all"
    SOME = "some"
    TORN = "torn"


_NUMBERS = itertools.count()


@dataclass(slots=True, eq=False)
class _File:
    """One file: what is surely on the disk, and what was asked for since. `syncs` counts how often that changed."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Record] = field(default_factory=list)
    is_folder: bool = False
    number: int = field(default_factory=lambda: next(_NUMBERS))
    syncs: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """One file that a cut leaves. Equal keys mean equal content: the file, its syncs, what else survived of it."""

    name: str
    key: tuple[int, ...]
    content: Callable[[], bytearray]
    whole: bool
    """Nothing of it is unsynced, so that every later cut leaves the same."""


class Disk:
    """Follows a recording; `state` gives what a cut at this moment leaves."""

    def __init__(self) -> None:
        self._now: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._moves: dict[str, list[Record]] = {}
        self._made: dict[int, _File] = {}

    def apply(self, record: Record) -> None:
        """Do what was asked for."""
        name = record.name
        match record.op:
            case "C":
                self._now[name] = _File()
                self._move(record, self._now[name])
            case "M":
                self._move(record, _File(is_folder=True))
            case "W" | "T":
                if name in self._now:
                    self._now[name].pending.append(record)
            case "S":
                file = self._now.get(name)
                if file is not None and file.pending:
                    for each in file.pending:
                        _write(file.synced, each)
                    file.pending.clear()
                    file.syncs += 1
            case "U":
                self._now.pop(name, None)
                self._move(record, None)
            case "R":
                file = self._now.pop(name)
                self._now[record.data.decode()] = file
                self._move(record, file)
            case "D":
                for each in self._moves.pop(name, []):
                    _rename(self._durable, each, self._made.get(id(each)))

    def _move(self, record: Record, file: _File | None) -> None:
        if file is not None:
            self._made[id(record)] = file
        parent = str(PurePosixPath(record.name).parent)
        self._moves.setdefault(parent, []).append(record)

    def state(self, survives: Survives, rng: random.Random) -> Iterator[Left]:
        """Yield every file that a cut at this moment leaves; read its content before anything else is applied."""
        names = dict(self._durable)
        for moves in self._moves.values():
            for each in _chosen(moves, survives, rng):
                _rename(names, each, self._made.get(id(each)))
        for name, file in names.items():
            if file.is_folder or not _reachable(name, names):
                continue
            kept = _chosen(range(len(file.pending)), survives, rng)
            torn = survives is Survives.TORN and len(kept) > 0
            cut = _cut(file.pending[kept[-1]], rng) if torn else _UNCUT
            key = (file.number, file.syncs, cut, *kept)
            yield Left(name, key, partial(_content, file, kept, cut), whole=not file.pending)


_UNCUT = -1


def _cut(record: Record, rng: random.Random) -> int:
    """Return how many bytes of a torn write are on the disk: up to a sector's end."""
    return rng.randint(0, len(record.data) // SECTOR) * SECTOR


def _content(file: _File, kept: Sequence[int], cut: int) -> bytearray:
    """Return what was synced and what else survived, its last write torn after `cut` bytes where it is."""
    content = bytearray(file.synced)
    survived = [file.pending[place] for place in kept]
    if cut != _UNCUT:
        last = survived.pop()
        survived.append(Record(last.op, last.name, last.offset, last.data[:cut]))
    for each in survived:
        _write(content, each)
    return content


def _reachable(name: str, names: dict[str, _File]) -> bool:
    """Say whether every folder above a file is on the disk; what a lost folder held is lost."""
    return all(parent in names for parent in _folders(name))


@cache
def _folders(name: str) -> tuple[str, ...]:
    return tuple(str(parent) for parent in PurePosixPath(name).parents if str(parent) != ".")


def _chosen(all_of_them: Sequence[T], survives: Survives, rng: random.Random) -> Sequence[T]:
    match survives:
        case Survives.NONE:
            return []
        case Survives.ALL:
            return all_of_them
        case _:
            return [each for each in all_of_them if rng.random() < 0.5]


def _rename(names: dict[str, _File], record: Record, file: _File | None) -> None:
    names.pop(record.name, None)
    if file is not None:
        names[record.data.decode() if record.op == "R" else record.name] = file


def _write(content: bytearray, record: Record) -> None:
    if record.op == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    if len(content) < record.offset:
        content.extend(bytes(record.offset - len(content)))
    content[record.offset : record.offset + len(record.data)] = record.data
