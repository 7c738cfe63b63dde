"""One visit: what is told of an instance that cannot be kept, and what threads hear of an event loop that is gone."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from channels._dicom.answering import BUSY, FAILED, NO_ROUTE, Answer
from channels._dicom.commands import C_FIND_RQ, Command
from channels._dicom.guard import BrokenPdu
from channels._dicom.receiving import Spool
from channels._tcp.caller import Caller
from channels.dicom.requests import EventReport, Request, Response
from channels.dicom.services import Service, Talk
from channels.dicom.visiting import Arrival, Loop, Visit
from engine.errors import BudgetExceeded, StoreFailed, Transient, Unmatched
from engine.model import INLINE_LIMIT, Body, Peer
from engine.testing.channels import RecordingIntake

CT, UID, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "2.25.1", "1.2.840.10008.1.2.1"
FIND = "1.2.840.10008.5.1.4.31"
LARGEST = 2 * INLINE_LIMIT


class Now:
    """A loop that answers at once, in the thread that asks."""

    def ask(self, question: Callable[[], Any]) -> Any:
        return question()

    def tell(self, news: Callable[[], object]) -> None:
        news()


class House:
    """A listener that counts, and keeps what was handed in."""

    def __init__(self, folder: Path, *admissions: BaseException | None) -> None:
        self.stopping = False
        self.loop: Any = Now()
        self.largest = LARGEST
        self.gathering = None
        self.services: tuple[Service, ...] = ()
        self.classes = {FIND: frozenset({C_FIND_RQ})}
        self.counted: list[str] = []
        self.bugs: list[BaseException] = []
        self.bodies: list[Body] = []
        self.ends: BaseException | None = None
        self.script = RecordingIntake(admissions=admissions)
        self._folder = folder

    def spool_path(self) -> Path:
        return self._folder / "x.part"

    def spooled(self) -> int:
        """Return how many files lie in the listener's folder."""
        return len(list(self._folder.iterdir()))

    def admit(self, visit: Visit) -> Any:
        return self.script.admit(visit.partner, 0)

    async def hand_in(self, visit: Visit, arrival: Arrival, body: Body) -> Answer | None:
        self.bodies.append(body)
        if self.ends is not None:
            raise self.ends
        return Answer(0)

    def count(self, event: str) -> None:
        self.counted.append(event)

    def broke(self, error: BaseException) -> None:
        self.bugs.append(error)


def visit(house: House) -> Visit:
    caller = Caller(Peer("192.0.2.1:104"), None, "192.0.2.1")
    return Visit(house, caller)  # type: ignore[arg-type]  # a listener with all that one visit asks of it


def store(*, uid: str = UID) -> Command:
    return Command(1, 7, CT, uid, True)


def arriving(house: House, *, uid: str = UID, agreed: bool = True) -> Arrival:
    return visit(house).arriving(store(uid=uid), EXPLICIT, agreed=agreed)


def written(arrival: Arrival, size: int) -> Arrival:
    arrival.write(memoryview(bytes(size)))
    return arrival


@pytest.mark.parametrize(
    ("refusal", "answer"), [(BudgetExceeded("too much is in flight"), BUSY), (Unmatched("nobody"), NO_ROUTE)]
)
def test_an_instance_without_room_is_drained(tmp_path: Path, refusal: BaseException, answer: Answer) -> None:
    house = House(tmp_path, refusal)
    arrival = written(arriving(house), INLINE_LIMIT + 1)
    assert (arrival.whole(), arrival.answer, list(tmp_path.iterdir())) == (None, answer, [])


@pytest.mark.parametrize(
    ("how", "code"), [({"uid": "../x"}, "0117"), ({"uid": ""}, "0117"), ({"agreed": False}, "0122")]
)
def test_what_is_held_against_an_instance_is_kept_with_it(
    tmp_path: Path, how: dict[str, Any], code: str
) -> None:
    arrival = written(arriving(House(tmp_path), **how), 10)
    body = arrival.whole()
    assert body is not None
    arrival.describe(body)
    assert ([each.code for each in arrival.faults], arrival.says) == ([code], None)


def test_of_what_is_too_large_the_beginning_is_kept(tmp_path: Path) -> None:
    house = House(tmp_path)
    arrival = written(arriving(house), LARGEST + 1)
    body = arrival.whole()
    assert body is not None and body.size < LARGEST
    assert [each.code for each in arrival.faults] == ["C000"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BrokenPdu, match="without an end"):
        written(arrival, LARGEST)


def test_a_disk_that_takes_nothing_is_told_as_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Spool, *_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    house = House(tmp_path)
    at_the_end = written(arriving(house), 10)
    monkeypatch.setattr(Spool, "finish", full)
    assert (at_the_end.whole(), at_the_end.answer) == (None, BUSY)
    monkeypatch.setattr(Spool, "write", full)
    at_once = written(arriving(house), 10)
    assert (at_once.whole(), at_once.answer) == (None, BUSY)
    assert house.counted == ["spool_failed", "spool_failed"]


def test_what_cannot_be_read_is_an_instance_all_the_same(tmp_path: Path) -> None:
    house = House(tmp_path)
    arrival = written(arriving(house), 10)
    body = arrival.whole()
    assert body is not None
    arrival.describe(body)
    assert (arrival.says, arrival.faults, house.counted) == (None, (), ["unreadable_head"])


async def test_room_is_given_back_once_an_instance_is_handed_in(tmp_path: Path) -> None:
    house = House(tmp_path)
    one = visit(house)
    arrival = written(one.arriving(store(), EXPLICIT, agreed=True), INLINE_LIMIT + 1)
    assert house.script.outstanding == 1
    assert await anyio.to_thread.run_sync(one.store, arrival) == Answer(0)
    assert (house.script.outstanding, house.spooled()) == (0, 0)


async def test_where_the_listener_ends_nothing_is_said_and_the_file_stays(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.ends = asyncio.CancelledError()
    one = visit(house)
    arrival = written(one.arriving(store(), EXPLICIT, agreed=True), INLINE_LIMIT + 1)
    assert await anyio.to_thread.run_sync(one.store, arrival) is None
    assert house.spooled() == 1, "the store may still read it"


class Line:
    """Takes note of what is said."""

    def __init__(self) -> None:
        self.said: list[Response] = []

    def cancelled(self) -> bool:
        return False

    def respond(self, response: Response) -> None:
        self.said.append(response)

    def report(self, report: EventReport, *, seconds: float) -> int | None:
        return None


class Failing(Service):
    """Answers what it is told to, then fails."""

    def __init__(self, error: BaseException, *statuses: int) -> None:
        self.classes = {FIND: frozenset({C_FIND_RQ})}
        self._error = error
        self._statuses = statuses

    def serve(self, request: Request, talk: Talk) -> None:
        for status in self._statuses:
            talk.respond(status)
        raise self._error


@pytest.mark.parametrize(
    ("error", "statuses", "said", "bugs"),
    [
        (Transient("the store is away"), (), [0x0110], 1),
        (KeyError("bug"), (0xFF00,), [0xFF00, 0x0110], 1),
        (KeyError("bug"), (0xFF00, 0), [0xFF00, 0], 1),
        (asyncio.CancelledError(), (), [], 0),
    ],
)
def test_a_service_that_fails_answers_once(
    tmp_path: Path, error: BaseException, statuses: tuple[int, ...], said: list[int], bugs: int
) -> None:
    house, line = House(tmp_path), Line()
    house.services = (Failing(error, *statuses),)
    request = Request(Command(C_FIND_RQ, 7, FIND, "", False), b"", EXPLICIT, FIND)
    visit(house).serve(request, line)
    assert ([each.status for each in line.said], len(house.bugs)) == (said, bugs)


def test_a_store_that_failed_is_heard_of_above(tmp_path: Path) -> None:
    house, line = House(tmp_path), Line()
    house.services = (Failing(StoreFailed("the disk refuses an fsync")),)
    request = Request(Command(C_FIND_RQ, 7, FIND, "", False), b"", EXPLICIT, FIND)
    with pytest.raises(StoreFailed):
        visit(house).serve(request, line)
    assert line.said == []


async def test_a_thread_gets_what_the_loop_says(tmp_path: Path) -> None:
    loop = Loop()

    def fails() -> int:
        raise KeyError("no such thing")

    assert await asyncio.to_thread(loop.ask, lambda: 4711) == 4711
    with pytest.raises(KeyError):
        await asyncio.to_thread(loop.ask, fails)


def test_a_thread_does_not_wait_for_a_loop_that_is_closed() -> None:
    async def running() -> Loop:
        return Loop()

    main: Coroutine[Any, Any, Loop] = running()
    closed = asyncio.run(main)
    with pytest.raises(TimeoutError):
        closed.ask(lambda: FAILED)
    closed.tell(lambda: FAILED)
