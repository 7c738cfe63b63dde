"""The flight file: which bodies are in a CPU phase and which deliveries are in a send, for whoever starts next.

A small memory map without fsync: it survives the death of the process, not that of the machine, and costs a store in
memory. After a crash the bodies that were being routed are counted (twice: poison), and the deliveries that were being
sent have an unknown outcome (G3).

Layout, little endian: 8 bytes magic, padding to 64; then `ROUTINGS` slots of (sha256 32, in use u64); `POISON` rows
of (sha256 32, count u64); `SENDS` slots of (attempt u64, delivery u64). The word that says "in use" is written last,
so that a slot that was cut short is empty.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_MAGIC = b"PASSFLY1"
_HEADER = 64
ROUTINGS = 16
"""Bodies that can be in a CPU phase at one moment."""

POISON = 64
"""Bodies with a crash that are remembered; when there are more, the first gives way."""

SENDS = 8192
"""Deliveries that can be in a send at one moment."""

_BODY = struct.Struct("<32sQ")
_SEND = struct.Struct("<QQ")
_WORD = struct.Struct("<Q")
_BODY_USED = 32
_SEND_USED = 8
_ROUTING_AT = _HEADER
_POISON_AT = _ROUTING_AT + ROUTINGS * _BODY.size
_SENDS_AT = _POISON_AT + POISON * _BODY.size
_SIZE = _SENDS_AT + SENDS * _SEND.size

CRASHES = 2
"""Crashes in its CPU phase after which a body is poison."""


class Flight:
    """The open flight file of this process; `Flight.open` reads what an earlier one left in it.

    `in_send` holds the (delivery, attempt number) pairs that were in a send when the last process died; they stay in
    the file until `recovered`, so that a crash during recovery forgets none.
    """

    def __init__(self, map: mmap.mmap) -> None:
        self._map = map
        self._free = list(range(_SENDS_AT + (SENDS - 1) * _SEND.size, _SENDS_AT - 1, -_SEND.size))
        self._idle = list(range(_ROUTING_AT + (ROUTINGS - 1) * _BODY.size, _ROUTING_AT - 1, -_BODY.size))
        self._poison: dict[bytes, tuple[int, int]] = {}
        self.in_send: Sequence[tuple[int, int]] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file at `path`; a file of another shape holds nothing that could be trusted and is renewed.

        Raises:
            OSError: the file cannot be made.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            known = os.fstat(descriptor).st_size == _SIZE and os.pread(descriptor, 8, 0) == _MAGIC
            if not known:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, _SIZE)
            flight = cls(mmap.mmap(descriptor, _SIZE))
        finally:
            os.close(descriptor)
        if known:
            flight._read()
        flight._map[0:8] = _MAGIC
        return flight

    def close(self) -> None:
        """Unmap the file; what is still in it is found by the next process."""
        self._map.close()

    # ------------------------------------------------------------- CPU phases

    def routing(self, sha256: bytes) -> Routing:
        """Mark a body as being decoded and routed, until the `with` ends; an exception is no crash."""
        return Routing(self, sha256)

    def crashes(self, sha256: bytes) -> int:
        """Return how often the process died while it routed this body, since it was last routed well."""
        found = self._poison.get(sha256)
        return found[0] if found else 0

    def poisonous(self, sha256: bytes) -> bool:
        """Say whether the body must not be routed again."""
        return self.crashes(sha256) >= CRASHES

    def forget(self, sha256: bytes) -> None:
        """Forget a body's crashes: it was routed well, or it is stored as poison and somebody knows."""
        found = self._poison.pop(sha256, None)
        if found:
            _WORD.pack_into(self._map, found[1] + _BODY_USED, 0)

    # ------------------------------------------------------------- sends

    @property
    def full(self) -> bool:
        """Whether every slot for a send is taken."""
        return not self._free

    def sending(self, delivery: int, attempt: int) -> Sending:
        """Mark a delivery as being sent, until the `with` ends.

        The mark must stay until the outcome is durable: leave the `with` after the settlement only. An exception
        leaves it in place, for the next process.
        """
        return Sending(self, delivery, attempt)

    def recovered(self) -> None:
        """Clear the sends of the earlier process: the store has counted them."""
        self._map[_SENDS_AT:_SIZE] = bytes(_SIZE - _SENDS_AT)
        self.in_send = ()

    # ------------------------------------------------------------- inside

    def _read(self) -> None:
        for at in range(_POISON_AT, _SENDS_AT, _BODY.size):
            sha256, count = _BODY.unpack_from(self._map, at)
            if count:
                self._poison[sha256] = (count, at)
        for at in range(_ROUTING_AT, _POISON_AT, _BODY.size):
            sha256, used = _BODY.unpack_from(self._map, at)
            if used:
                # First the slot, then the count: dying in between must not count one crash twice.
                _WORD.pack_into(self._map, at + _BODY_USED, 0)
                self._count(sha256)
        sends = _SEND.iter_unpack(self._map[_SENDS_AT:_SIZE])
        self.in_send = tuple((delivery, attempt) for attempt, delivery in sends if delivery)

    def _count(self, sha256: bytes) -> None:
        known = self._poison.pop(sha256, None)
        if known is None and len(self._poison) >= POISON:
            self.forget(next(iter(self._poison)))
        taken = {at for _, at in self._poison.values()}
        free = (at for at in range(_POISON_AT, _SENDS_AT, _BODY.size) if at not in taken)
        count, at = (known[0] + 1, known[1]) if known else (1, next(free))
        _BODY.pack_into(self._map, at, sha256, count)
        self._poison[sha256] = (count, at)


class Routing:
    """One body in a CPU phase."""

    __slots__ = ("_at", "_flight", "_sha256")

    def __init__(self, flight: Flight, sha256: bytes) -> None:
        self._flight = flight
        self._sha256 = sha256
        self._at = 0

    def __enter__(self) -> None:
        flight = self._flight
        if flight._idle:
            self._at = flight._idle.pop()
            _BODY.pack_into(flight._map, self._at, self._sha256, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        flight = self._flight
        if self._at:
            _WORD.pack_into(flight._map, self._at + _BODY_USED, 0)
            flight._idle.append(self._at)
            self._at = 0
        if flight._poison:
            flight.forget(self._sha256)


class Sending:
    """One delivery in a send."""

    __slots__ = ("_at", "_attempt", "_delivery", "_flight")

    def __init__(self, flight: Flight, delivery: int, attempt: int) -> None:
        self._flight = flight
        self._delivery = delivery
        self._attempt = attempt
        self._at = 0

    def __enter__(self) -> Self:
        self._at = self._flight._free.pop()
        _SEND.pack_into(self._flight._map, self._at, self._attempt, self._delivery)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._at:
            _WORD.pack_into(self._flight._map, self._at + _SEND_USED, 0)
            self._flight._free.append(self._at)
            self._at = 0

    def keep(self) -> None:
        """Leave the mark to the next process: the outcome could not be made durable."""
        self._at = 0
