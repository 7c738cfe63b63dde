"""A recording of the shim: what a process asked of its folder and of its sockets, in order."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<c3xIqQ")
_ACKNOWLEDGED = re.compile(rb'"id":"([0-9A-Z]{20})","disposition":"accepted"')
_SENT = re.compile(rb'"key": "([^"]+)", "seq": (\d+)')
_POST = b"POST /emr"


@dataclass(frozen=True, slots=True)
class Record:
    """One call; `op` as in shim.c."""

    op: str
    name: str
    offset: int
    data: bytes


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a log, up to a last one that is cut off."""
    log = path.read_bytes()
    at = 0
    while at + _HEAD.size <= len(log):
        op, name_length, offset, length = _HEAD.unpack_from(log, at)
        begin = at + _HEAD.size
        carried = length if op in b"WRK" else 0
        if begin + name_length + carried > len(log):
            return
        name = log[begin : begin + name_length].decode()
        data = log[begin + name_length : begin + name_length + carried]
        at = begin + name_length + carried
        yield Record(op.decode(), name, offset, data)


@dataclass(frozen=True, slots=True)
class Promised:
    """What the outside knows: ids with a positive reply, and per key the highest `seq` that was begun to be sent."""

    acknowledged: frozenset[str]
    begun: Mapping[str, int]


class Witness:
    """Follows the sockets of a recording and says, at any moment, what was promised."""

    def __init__(self) -> None:
        self._acknowledged: set[str] = set()
        self._begun: dict[str, int] = {}

    def hear(self, data: bytes) -> None:
        """Take in bytes that left through a socket."""
        self._acknowledged.update(found.decode() for found in _ACKNOWLEDGED.findall(data))
        if data.startswith(_POST) and (found := _SENT.search(data)):
            key, seq = found[1].decode(), int(found[2])
            self._begun[key] = max(seq, self._begun.get(key, -1))

    def promised(self) -> Promised:
        return Promised(frozenset(self._acknowledged), dict(self._begun))
