"""A STOW-RS request while it arrives: its body is cut into instances, each goes to a spool and then to the intake.

The event loop only queues what the connection reads; cutting, hashing and writing are done in a thread, and the
connection waits where that does not keep up. Nothing of an instance is in memory beyond the limit of inline bodies.
Source: DICOM PS3.18 10.5 (Store transaction).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from channels._dicom.receiving import CONTENT_TYPE
from channels._http.replies import Answer, problem
from channels.dicomweb.incoming import Arrived, Bounds, Incoming
from channels.dicomweb.multipart import BrokenMultipart, Reader, media_type
from channels.dicomweb.storing import Outcome

_WAITING_MAX: Final = 1024 * 1024
"""Bytes that may wait for the thread before the connection has to."""

_SIDE_BY_SIDE: Final = 8
"""Instances of one request that are handed in at once, so that they share a commit."""

UNREADABLE_MAX: Final = 16
"""Parts that are no instances, after which a request is refused: each is kept as evidence."""


class _Instances:
    """Takes the parts of a body; implements `multipart.Parts`."""

    def __init__(self, new_path: Callable[[], Path], bounds: Bounds) -> None:
        self.complete: list[Arrived] = []
        self._new_path = new_path
        self._bounds = bounds
        self._count = 0
        self._unreadable = 0
        self._part: Incoming | None = None

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
        self._part = Incoming(self._new_path(), self._bounds)

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

    def broke(self, error: BaseException) -> None:
        """Report an error that nobody named."""

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
                    arrived = await self._cut(data)
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

    async def _cut(self, data: bytes) -> list[Arrived]:
        """Cut what arrived; a bug met there ends this request and no other."""
        try:
            return await anyio.to_thread.run_sync(self._take, data)
        except Exception as error:  # noqa: BLE001  it is told; the sender may try again
            self.delivery.broke(error)
            self.refusal = problem(500, "The request could not be read; send it again.", close=True)
            return []

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
