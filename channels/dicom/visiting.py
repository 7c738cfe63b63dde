"""What one association brings: who visits, and the instances that it stores, each in a spool until it is a message.

`Visit` is the site of one association, called from its threads; what it needs of the engine it asks on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio.from_thread

from channels._dicom.answering import (
    BUSY,
    CANNOT_UNDERSTAND,
    CLASS_NOT_SUPPORTED,
    FAILED,
    INVALID_INSTANCE,
    NO_ROUTE,
    PROCESSING_FAILURE,
    Answer,
    fault,
)
from channels._dicom.commands import Command, is_uid
from channels._dicom.guard import BrokenPdu
from channels._dicom.receiving import Spool, file_meta
from channels._tcp.caller import Caller
from channels.dicom.assembly import Arriving
from channels.dicom.association import Rejection
from channels.dicom.requests import Line, Request
from channels.dicom.services import Draft, Service, Talk, service_for
from engine.codecs.dicom.searching import instance_of
from engine.errors import (
    FATAL,
    MalformedMessage,
    Rejected,
    Transient,
)
from engine.model import Body, Fault, Gathering, Instance, Message, Peer, Receipt
from engine.spi import Admission, Exchange

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds that a thread waits for the event loop; longer only where the loop is gone."""


class Loop:
    """The event loop, as threads ask it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def ask(self, question: Callable[[], T]) -> T:
        """Call on the loop and return what it returns, or raise what it raises; TimeoutError where nobody answers."""
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:  # noqa: BLE001  whatever it is, it is raised where it is waited for
                answer.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError as error:
            raise TimeoutError("the event loop is closed") from error
        return answer.result(_PATIENCE)

    def tell(self, news: Callable[[], object]) -> None:
        """Call on the loop, some time soon."""
        with suppress(RuntimeError):  # it is closed: nobody counts any more
            self._loop.call_soon_threadsafe(news)


class House(Protocol):
    """The listener, as its visits see it; called on the event loop, but for what is no method, and for `spool_path`."""

    stopping: bool
    loop: Loop
    largest: int
    """Largest instance in bytes."""

    gathering: Gathering | None
    """Whether instances are told of as a whole, and when."""

    services: tuple[Service, ...]
    classes: Mapping[str, frozenset[int]]

    def spool_path(self) -> Path:
        """Return the path of a new file that is nobody's yet."""

    def judge(self, visit: Visit, calling: str, called: str) -> Rejection | None: ...

    def admit(self, visit: Visit) -> Admission: ...

    async def hand_in(self, visit: Visit, arrival: Arrival, body: Body) -> Answer | None: ...

    async def intake(self, message: Message, exchange: Exchange) -> Receipt: ...

    def message(self, visit: Visit, draft: Draft) -> Message: ...

    def count(self, event: str) -> None: ...

    def broke(self, error: BaseException) -> None: ...


class Visit:
    """One association; implements `association.Site`."""

    def __init__(self, house: House, caller: Caller) -> None:
        self.house = house
        self.caller = caller
        self.partner: str | None = None
        self.calling = ""
        self.called = ""
        self.place = ""
        """What it is counted by once it is taken, "" before."""

    @property
    def stopping(self) -> bool:
        """Whether the listener takes nothing new."""
        return self.house.stopping

    def reject(self, calling: str, called: str) -> Rejection | None:
        return self.house.loop.ask(partial(self.house.judge, self, calling, called))

    def broke(self, error: BrokenPdu) -> None:
        self.house.loop.tell(partial(self.house.count, error.event))

    def arriving(self, command: Command, transfer_syntax: str, *, agreed: bool) -> Arrival:
        """Ask for room, and begin an instance; without room it is drained, and its sender is told to come again."""
        arrival = Arrival(self, command, transfer_syntax)
        if not is_uid(command.sop_instance):
            arrival.hold(fault(INVALID_INSTANCE, "AffectedSOPInstanceUID", "it is no UID"))
        elif not agreed:
            arrival.hold(
                fault(
                    CLASS_NOT_SUPPORTED, "AffectedSOPClassUID", "another class was agreed on in this context"
                )
            )
        try:
            arrival.admission = self.house.loop.ask(self._admission)
        except Rejected:
            arrival.give_up(NO_ROUTE)
        except (Transient, TimeoutError):
            arrival.give_up(BUSY)
        return arrival

    def store(self, instance: Arriving) -> Answer | None:
        """Hand an instance in; called in a worker thread of anyio's, as `Acceptor.serve` was."""
        assert isinstance(instance, Arrival)
        try:
            body = instance.whole()
            if body is None:
                return instance.answer
            instance.describe(body)
            answer: Answer | None = anyio.from_thread.run(self.house.hand_in, self, instance, body)
        except (CancelledError, asyncio.CancelledError):
            instance.keep()
            return None
        finally:
            instance.discard()
        return answer

    @property
    def classes(self) -> Mapping[str, frozenset[int]]:
        return self.house.classes

    @property
    def peer(self) -> Peer:
        """Where the association comes from."""
        return self.caller.peer

    def serve(self, request: Request, line: Line) -> None:
        """Let the service answer that is there for it; an error of its own becomes a failure that says no more."""
        service = service_for(self.house.services, request)
        assert service is not None, "only what is served is negotiated, and its requests alone are taken"
        talk = Talk(self, line)
        try:
            service.serve(request, talk)
        except FATAL:
            raise
        except (CancelledError, asyncio.CancelledError):
            return  # the listener ends: the association is aborted
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other associations
            self.house.loop.tell(partial(self.house.broke, error))
            if not talk.answered:
                talk.respond(PROCESSING_FAILURE, comment="the request could not be handled")

    def run(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await on the event loop, from a worker thread of anyio's, as `Acceptor.serve` was called in."""
        return anyio.from_thread.run(question)

    def message(self, draft: Draft) -> Message:
        """Return a message of the listener that this visitor brought."""
        return self.house.message(self, draft)

    async def hand_in(self, message: Message, exchange: Exchange) -> Receipt:
        """Hand a message to the engine, on its loop."""
        return await self.house.intake(message, exchange)

    def _admission(self) -> Admission:
        admission = self.house.admit(self)
        admission.__enter__()
        return admission


class Arrival:
    """One instance on its way in, written to by the reading thread, then handed in by the serving one."""

    def __init__(self, visit: Visit, command: Command, transfer_syntax: str) -> None:
        self.command = command
        self.transfer_syntax = transfer_syntax
        self.admission: Admission | None = None
        self.answer: Answer = FAILED
        """What is said of an instance that cannot be handed in."""

        self.faults: tuple[Fault, ...] = ()
        self.says: Instance | None = None
        """What the instance says of itself, None where nobody can read it."""

        self._visit = visit
        self._size = 0
        head = file_meta(command.sop_class, command.sop_instance, transfer_syntax)
        self._spool: Spool | None = Spool(visit.house.spool_path(), head)
        self._beginning: Body | None = None

    def hold(self, found: Fault) -> None:
        """Hold something against the instance: the intake refuses it, and keeps it."""
        self.faults = (found,)

    def give_up(self, answer: Answer) -> None:
        """Keep nothing of it, and answer so once it has come to its end."""
        self.answer = answer
        if self._spool is not None:
            self._spool.discard()
            self._spool = None

    def write(self, data: memoryview) -> None:
        self._size += len(data)
        largest = self._visit.house.largest
        if self._size > 2 * largest:
            raise BrokenPdu("an instance without an end", event="endless_instance")
        if self._spool is None:
            return
        try:
            self._spool.write(data)
            if self._size > largest:
                self._beginning = self._spool.beginning()
        except OSError:
            self.give_up(BUSY)
            self._count("spool_failed")
            return
        if self._beginning is not None:
            self.give_up(FAILED)
            self.hold(fault(CANNOT_UNDERSTAND, "", f"it is larger than the {largest} bytes taken here"))

    def whole(self) -> Body | None:
        """Return the content, of what is too large its beginning; None where there is nothing to hand in."""
        if self._spool is None:
            return self._beginning
        try:
            return self._spool.finish()
        except OSError:
            self.give_up(BUSY)
            self._count("spool_failed")
            return None

    def describe(self, body: Body) -> None:
        """Read what the instance says of itself; one that cannot be read is a message like any other."""
        if self.faults or not is_uid(self.command.sop_instance):
            return
        content = body.path if body.data is None else body.data
        assert content is not None, "a body has bytes or a path"
        try:
            self.says = instance_of(
                content, uid=self.command.sop_instance, gathering=self._visit.house.gathering
            )
        except (MalformedMessage, Transient):
            self._count("unreadable_head")

    def keep(self) -> None:
        """Leave the file where it is: the store may still read it. The next start of the listener removes it."""
        self._spool = None

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()
            self._spool = None
        admission, self.admission = self.admission, None
        if admission is not None:
            self._visit.house.loop.tell(partial(admission.__exit__, None, None, None))

    def _count(self, event: str) -> None:
        self._visit.house.loop.tell(partial(self._visit.house.count, event))
