"""A disk that may lose power: what was synced is there, what was not may be, in part, or torn.

Strict on purpose: a name is durable once its folder was synced, content once its file was; fsync of a file makes no
name durable. What was asked for later may be there without what was asked for before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from tests.power.recording import Record

SECTOR = 512
"""Bytes that a disk writes whole."""


class Survives(Enum):
    """How much of what was not synced is on the disk after the cut."""

    NONE = "none"
    ALL = "all"
    SOME = "some"
    TORN = "torn"


@dataclass(slots=True, eq=False)
class _File:
    """One file: what is surely on the disk, and what was asked for since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Record] = field(default_factory=list)
    is_folder: bool = False


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
                if file is not None:
                    for each in file.pending:
                        _write(file.synced, each)
                    file.pending.clear()
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

    def state(self, survives: Survives, rng: random.Random) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of every file that a cut leaves."""
        names = dict(self._durable)
        for moves in self._moves.values():
            for each in _chosen(moves, survives, rng):
                _rename(names, each, self._made.get(id(each)))
        for name, file in names.items():
            if file.is_folder or not _reachable(name, names):
                continue
            content = bytearray(file.synced)
            kept = _chosen(file.pending, survives, rng)
            for each in kept[:-1] if survives is Survives.TORN else kept:
                _write(content, each)
            if survives is Survives.TORN and kept:
                _tear(content, kept[-1], rng)
            yield name, bytes(content)

    def put(self, folder: Path, survives: Survives, rng: random.Random) -> None:
        """Write the state into an empty folder."""
        for name, content in self.state(survives, rng):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _reachable(name: str, names: dict[str, _File]) -> bool:
    """Say whether every folder above a file is on the disk; what a lost folder held is lost."""
    return all(str(parent) in names for parent in PurePosixPath(name).parents if str(parent) != ".")


def _chosen(records: list[Record], survives: Survives, rng: random.Random) -> list[Record]:
    match survives:
        case Survives.NONE:
            return []
        case Survives.ALL:
            return records
        case _:
            return [each for each in records if rng.random() < 0.5]


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


def _tear(content: bytearray, record: Record, rng: random.Random) -> None:
    """Write the beginning of the last write only, up to a sector's end."""
    sectors = len(record.data) // SECTOR
    whole = rng.randint(0, sectors) * SECTOR
    _write(content, Record(record.op, record.name, record.offset, record.data[:whole]))
