"""A STOW-RS request while it arrives: its body is cut into instances, each goes to a spool and then to the intake.

The event loop only queues what the connection reads; cutting, hashing and writing are done in a thread, and the
connection waits where that does not keep up. Nothing of an instance is in memory beyond the limit of inline bodies.
Source: DICOM PS3.18 10.5 (Store transaction).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Final, Protocol

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from channels._http.replies import Answer, problem
from channels.dicom.answering import CANNOT_UNDERSTAND, OUT_OF_RESOURCES
from channels.dicom.part10 import META_BYTES, InstanceHead, read_head
from channels.dicom.receiving import CONTENT_TYPE, KEPT_OF_TOO_LARGE, Spool, file_meta
from channels.dicomweb.multipart import BrokenMultipart, Reader, media_type
from channels.dicomweb.storing import Outcome
from engine.codecs.dicom.searching import instance_of
from engine.errors import MalformedMessage, Rejected, Transient
from engine.model import Body, Gathering, Instance

_WAITING_MAX: Final = 1024 * 1024
"""Bytes that may wait for the thread before the connection has to."""

_SIDE_BY_SIDE: Final = 8
"""Instances of one request that are handed in at once, so that they share a commit."""

_PREFIX_END: Final = 132
_META_AT: Final = 144
UNREADABLE_MAX: Final = 16
"""Parts that are no instances, after which a request is refused: each is kept as evidence."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One part, complete; `head` is None where it is no Part 10 file. `fault` and `why` are what is wrong with it.

    `body` is None where there is nothing to hand in; `fault` is then its failure reason. `says` is what the instance
    says of itself, None where nobody can read it.
    """

    body: Body | None
    head: InstanceHead | None
    spool: Spool | None
    fault: int = 0
    why: str = ""
    says: Instance | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may bring: the largest instance in bytes, and how many; `gathering` says whether they are told
    of as a whole."""

    instance_bytes: int
    instances: int
    gathering: Gathering | None = None


def _head_bytes(first: bytearray) -> int:
    """Return how many bytes of a file hold its head, as far as that is known yet (PS3.10 7.1).

    Raises:
        Rejected: it begins otherwise than a Part 10 file does.
    """
    if len(first) < _META_AT:
        return _META_AT
    group, element, kind, size, length = unpack_from("<HH2sHL", first, _PREFIX_END)
    said = (group, element, kind, size) == (2, 0, b"UL", 4) and length <= META_BYTES
    if first[_PREFIX_END - 4 : _PREFIX_END] != b"DICM" or not said:
        raise Rejected("it does not begin as a DICOM file does (PS3.10)", code="no_instance")
    return _META_AT + int(length)


class _Incoming:
    """One part while it arrives; used in one thread at a time."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._path = path
        self._largest = bounds.instance_bytes
        self._gathering = bounds.gathering
        self._first = bytearray()
        self._head: InstanceHead | None = None
        self._spool: Spool | None = None
        self._beginning: bytes | None = None
        self._fault = 0
        self._why = ""

    def write(self, data: bytes) -> None:
        if self._fault:
            return
        if self._spool is not None:
            self._put(data)
            return
        self._first += data
        self._look(whole=False)

    def finish(self) -> Arrived:
        if not self._fault and self._spool is None:
            self._look(whole=True)
        try:
            if self._spool is not None:
                body = self._spool.finish()
                return Arrived(body, self._head, self._spool, says=self._says(body))
        except OSError:
            self._fail(OUT_OF_RESOURCES, "the disk does not take it")
        body_kept = None if self._beginning is None else Body.of(self._beginning, CONTENT_TYPE)
        return Arrived(body_kept, self._head, None, self._fault, self._why)

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()

    def _says(self, body: Body) -> Instance | None:
        """Return what the instance says of itself; one that cannot be read is a message like any other."""
        assert self._head is not None
        content = body.path if body.data is None else body.data
        assert content is not None, "a body has bytes or a path"
        try:
            return instance_of(content, uid=self._head.sop_instance, gathering=self._gathering)
        except (MalformedMessage, Transient):
            return None

    def _look(self, *, whole: bool) -> None:
        """Read the head once it is here, and go on with a head of our own: the same instance gives the same bytes."""
        try:
            end = _head_bytes(self._first)
            if len(self._first) < end and not whole:
                return
            head = read_head(bytes(self._first[:end]))
        except Rejected as error:
            self._beginning = bytes(self._first[:KEPT_OF_TOO_LARGE])
            self._fault, self._why = CANNOT_UNDERSTAND, str(error)
            return
        self._head = head
        self._spool = Spool(self._path, file_meta(head.sop_class, head.sop_instance, head.transfer_syntax))
        rest = bytes(self._first[head.offset :])
        self._first.clear()
        if rest:
            self._put(rest)

    def _put(self, data: bytes) -> None:
        assert self._spool is not None
        try:
            self._spool.write(data)
            if self._spool.size > self._largest:
                self._beginning = self._spool.beginning().read()
                self._fail(CANNOT_UNDERSTAND, f"it is larger than the {self._largest} bytes taken here")
        except OSError:
            self._fail(OUT_OF_RESOURCES, "the disk does not take it")

    def _fail(self, fault: int, why: str) -> None:
        if self._spool is not None:
            self._spool.discard()
            self._spool = None
        self._fault, self._why = fault, why


class _Instances:
    """Takes the parts of a body; implements `multipart.Parts`."""

    def __init__(self, new_path: Callable[[], Path], bounds: Bounds) -> None:
        self.complete: list[Arrived] = []
        self._new_path = new_path
        self._bounds = bounds
        self._count = 0
        self._unreadable = 0
        self._part: _Incoming | None = None

    def begin(self, head: Mapping[str, str]) -> None:
        self._count += 1
        if self._count > self._bounds.instances:
            raise BrokenMultipart(f"more than {self._bounds.instances} parts")
        kind = media_type(head.get("content-type", CONTENT_TYPE))
        if kind is None or kind.name != CONTENT_TYPE:
            raise UnsupportedPart
        if "content-encoding" in head or "content-transfer-encoding" in head:
            encoding = head.get("content-transfer-encoding", "") or head.get("content-encoding", "")
            if encoding.lower() not in ("binary", "identity"):
                raise UnsupportedPart
        self._part = _Incoming(self._new_path(), self._bounds)

    def write(self, data: bytes) -> None:
        assert self._part is not None
        self._part.write(data)

    def finish(self) -> None:
        assert self._part is not None
        arrived = self._part.finish()
        self._part = None
        self.complete.append(arrived)
        self._unreadable += arrived.head is None
        if self._unreadable > UNREADABLE_MAX:
            raise BrokenMultipart(f"more than {UNREADABLE_MAX} parts are no instances")

    def discard(self) -> None:
        if self._part is not None:
            self._part.discard()
            self._part = None
        for arrived in self.complete:
            if arrived.spool is not None:
                arrived.spool.discard()
        self.complete.clear()


class UnsupportedPart(BrokenMultipart):
    """A part is of another kind than an instance in its plain form."""


class Delivery(Protocol):
    """Takes the instances of one request as they become complete, several at once."""

    outcomes: list[Outcome]

    async def hand_in(self, arrived: Arrived) -> None:
        """Return once the instance is durable, or refused."""


class Upload:
    """The sink of one request, and the task that serves it."""

    def __init__(
        self, boundary: bytes, delivery: Delivery, *, new_path: Callable[[], Path], bounds: Bounds
    ) -> None:
        self.delivery = delivery
        self.refusal: Answer | None = None
        self._instances = _Instances(new_path, bounds)
        self._reader = Reader(boundary, self._instances)
        self._pending: list[bytes] = []
        self._waiting = 0
        self._ended = False
        self._given_up = False
        self._wake = asyncio.Event()
        self._drained: asyncio.Future[None] | None = None
        self._done = asyncio.Event()
        self._slots = anyio.Semaphore(_SIDE_BY_SIDE)

    # ------------------------------------------------------------- called by the connection

    def write(self, chunk: bytes) -> None:
        self._pending.append(chunk)
        self._waiting += len(chunk)
        self._wake.set()

    def drained(self) -> asyncio.Future[None] | None:
        if self._waiting <= _WAITING_MAX or self._done.is_set():
            return None
        if self._drained is None or self._drained.done():
            self._drained = asyncio.get_running_loop().create_future()
        return self._drained

    def discard(self) -> None:
        self._given_up = True
        self._wake.set()

    async def complete(self) -> Answer | None:
        """Return once every instance has its answer; the refusal where the body could not be followed to its end."""
        self._ended = True
        self._wake.set()
        await self._done.wait()
        return self.refusal

    # ------------------------------------------------------------- the task

    async def run(self) -> None:
        """Serve until the body has ended or nobody waits for it; what was complete is handed in all the same."""
        try:
            async with anyio.create_task_group() as group:
                while (data := await self._next()) is not None:
                    arrived = await anyio.to_thread.run_sync(self._take, data)
                    self._go_on()
                    for each in arrived:
                        await self._begin(each, group)
                    if self.refusal is not None:
                        break
                self._finish()
        finally:
            self._instances.discard()
            self._pending.clear()
            self._waiting = 0
            self._go_on()
            self._done.set()

    async def _next(self) -> bytes | None:
        """Return what arrived since the last look, None once there is no more."""
        while not self._pending:
            if self._ended or self._given_up:
                return None
            self._wake.clear()
            await self._wake.wait()
        if self._given_up and not self._ended:
            return None
        data = b"".join(self._pending)
        self._pending.clear()
        return data

    def _take(self, data: bytes) -> list[Arrived]:
        """Cut what arrived; called in a thread."""
        try:
            self._reader.feed(data)
        except UnsupportedPart:
            self.refusal = problem(415, "Every part is an instance: application/dicom, as it is.", close=True)
        except BrokenMultipart as error:
            self.refusal = problem(400, f"The multipart body cannot be followed: {error}.", close=True)
        self._waiting -= len(data)
        arrived, self._instances.complete = self._instances.complete, []
        return arrived

    def _go_on(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def _begin(self, arrived: Arrived, group: TaskGroup) -> None:
        await self._slots.acquire()
        group.start_soon(self._one, arrived)

    async def _one(self, arrived: Arrived) -> None:
        try:
            await self.delivery.hand_in(arrived)
        finally:
            self._slots.release()

    def _finish(self) -> None:
        if self.refusal is None and self._ended:
            try:
                self._reader.end()
            except BrokenMultipart as error:
                self.refusal = problem(400, f"The multipart body cannot be followed: {error}.")
