"""Runs the golden tests beside a route: the same intake, dispatcher and SQLite store as `run`, in virtual time.

Only clock, chance and transport are replaced. A test ends when nothing is left to do, or at its `until`; between two
looks the clock jumps to whatever falls due next.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import tempfile
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from engine.app import Doubles, Engine, running
from engine.clock import Clock
from engine.config.compose import compose_file
from engine.config.formats import HL7
from engine.config.gather import printed
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.nodes import ListNode
from engine.config.plugins import installed
from engine.config.route import ToRoute
from engine.config.validate import validate
from engine.errors import ConfigurationError, Problem
from engine.model import Disposition, Message, Receipt, Reply, Verdict
from engine.runtime.watch import LISTENER
from engine.store import Store
from engine.store.protocol import DeliveryRow, Query
from engine.store.sqlite.store import open_sqlite
from engine.testing.arriving import arriving
from engine.testing.cases import Arrival, Case, cases_beside
from engine.testing.comparing import Found, differences
from engine.testing.scripted import Partners
from engine.testing.virtual_clock import VirtualClock

SEED = 20_260_101
"""Seed of the jitter, so that a golden test says the same every time."""

HORIZON_MS = 14 * 86_400_000
"""Virtual time after the last arrival at which a test gives up waiting for the end."""

_STATUS = {
    Disposition.ACCEPTED: "202",
    Disposition.FILTERED: "202",
    Disposition.DUPLICATE: "202",
    Disposition.REFUSED: "422",
    Disposition.COLLISION: "422",
}
_UNANSWERED = {"timeout": "504", "undelivered": "502"}
_UNREAD = frozenset({"malformed", "unmatched"})
"""Faults that HL7 v2 answers with AR: nobody looked at the content (v2.5.1 2.9.2.2)."""
_MANY = 5_000


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one golden test came to: differences as sentences, none when it passed."""

    route: str
    name: str
    differences: tuple[str, ...] = ()
    updated: tuple[Path, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Answer:
    """The reply to one arrival."""

    status: str
    paths: tuple[str, ...]


@dataclass(slots=True)
class _Desk:
    """An exchange that keeps the verdict it rendered, or the answer that it was given."""

    verdict: Verdict | None = None
    answer: Reply | None = None

    def reply(self, verdict: Verdict) -> bytes:
        if self.verdict is None or verdict.disposition is not Disposition.COLLISION:
            self.verdict = verdict
        return verdict.disposition.word.encode()

    def relay(self, answer: Reply) -> bytes:
        self.answer = answer
        return answer.body


@dataclass(slots=True)
class _Run:
    """One test under way."""

    engine: Engine
    clock: VirtualClock
    route: LoadedRoute
    folder: Path
    answers: list[_Answer] = field(default_factory=list)

    async def arrive(self, arrival: Arrival) -> None:
        await self.advance(round(arrival.at.timestamp() * 1000))
        app = self.engine.loaded.app
        doors = [door for door in self.route.config.doors if arrival.listener in (None, door.listener)]
        door = doors[0]
        listener = app.listen[door.listener]
        message = arriving(
            arrival, door, listener, self.folder, id=self.engine.new_id(), now_ms=self.clock.now_ms()
        )
        desk = _Desk()
        receipt = await self._received(message, desk)
        self.answers.append(_answer(receipt, desk, message.codec))
        await self.settle()

    async def _received(self, message: Message, desk: _Desk) -> Receipt:
        """Hand a message in; where its sender waits for an answer, time goes on until there is one."""
        receipts: list[Receipt] = []

        async def hand_in() -> None:
            receipts.append(await self.engine.reception.intake(message.listener)(message, desk))

        async with anyio.create_task_group() as group:
            group.start_soon(hand_in)
            await self.settle()
            while not receipts:
                wakes = [self.clock.next_wake_ms(), self.engine.dispatcher.next_wake_ms()]
                due = min((wake for wake in wakes if wake is not None), default=self.clock.now_ms())
                self.clock.advance_to(max(due, self.clock.now_ms()))
                await self.settle()
        return receipts[0]

    async def advance(self, until_ms: int) -> None:
        """Let everything happen that falls due up to a moment."""
        while True:
            await self.settle()
            wakes = [self.clock.next_wake_ms(), self.engine.dispatcher.next_wake_ms()]
            due = min((wake for wake in wakes if wake is not None), default=None)
            if due is None or due > until_ms:
                break
            self.clock.advance_to(max(due, self.clock.now_ms()))
        if until_ms > self.clock.now_ms():
            self.clock.advance_to(until_ms)
            await self.settle()

    async def settle(self) -> None:
        """Let everything happen that needs no time: until the dispatcher stays idle, or waits for the clock itself."""
        quiet = 0
        for turn in range(_TURNS):
            await asyncio.sleep(0 if turn % _PATIENCE else _MOMENT)  # a commit may be in a thread
            quiet = quiet + 1 if self.engine.dispatcher.idle() else 0
            if quiet >= _QUIET:
                return

    async def finish(self, until_ms: int | None, last_ms: int) -> None:
        """Go on until nothing is left to do, and the alerts had their say."""
        end = last_ms + HORIZON_MS if until_ms is None else until_ms
        while self.clock.now_ms() < end:
            await self.settle()
            tally = await self.engine.store.tally()
            open_work = sum(count for state, count in tally.states.items() if not state.terminal)
            if until_ms is None and not open_work:
                break
            wake = self.engine.dispatcher.next_wake_ms()
            if wake is None and self.engine.dispatcher.in_flight():
                wake = self.clock.next_wake_ms()  # a partner that takes its time
            if until_ms is None and (wake is None or wake > end):
                break  # what is left waits for a person
            await self.advance(min(end, max(wake or end, self.clock.now_ms() + 1)))
        await self.engine.watch.look()
        await self.settle()


_TURNS = 600
_PATIENCE = 50
_QUIET = 5
_MOMENT = 0.001


def _open(path: Path, clock: Clock) -> AbstractAsyncContextManager[Store]:
    """Open a store that commits on the loop however slow the disk: else time runs on while a thread commits."""
    return open_sqlite(path, clock=clock, ballast_bytes=0, fast_commit_ms=math.inf)


def load_cases(route: LoadedRoute) -> tuple[Case, ...]:
    """Read the tests beside a route; none when there is no file.

    Raises:
        ConfigurationError: the file cannot be understood.
    """
    path = cases_beside(route.path)
    if not path.exists():
        return ()
    problems: list[Problem] = []
    tree = compose_file(path, printed(path), problems)
    if tree is not None and not isinstance(tree, ListNode):
        problems.append(Problem(printed(path), 1, 1, "expected a list of tests: `- name: ...`"))
    found = (
        [validate(Case, item, installed(), problems) for item in tree] if isinstance(tree, ListNode) else []
    )
    if problems:
        raise ConfigurationError(problems)
    return tuple(case for case in found if case is not None)


async def run_case(loaded: Loaded, route: LoadedRoute, case: Case, *, update: bool = False) -> Verdicts:
    """Run one golden test; `update` writes the golden files instead of comparing them."""
    clock = VirtualClock(case.arrivals[0].at)
    partners = Partners(clock, case.partners, route.path.parent)
    quiet = logging.getLogger()
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(prefix="passerelle-test-") as folder:
            doubles = Doubles(
                clock=clock,
                rng=random.Random(SEED),  # noqa: S311  jitter of a test must be the same every time
                outbound=partners.outbound,
                listens=False,
                folder=Path(folder),
                store=_open,
            )
            async with running(loaded.path, env=loaded.env, doubles=doubles) as engine:
                run = _Run(engine, clock, route, route.path.parent)
                for arrival in case.arrivals:
                    await run.arrive(arrival)
                last_ms = round(case.arrivals[-1].at.timestamp() * 1000)
                until = None if case.until is None else last_ms + round(case.until.total_seconds() * 1000)
                await run.finish(until, last_ms)
                found = await _found(run, partners)
    finally:
        quiet.setLevel(level)
    told, written = differences(case, found, route.path.parent, update=update)
    return Verdicts(route.name, case.name, tuple(told), tuple(written))


def _handed_on(name: str, loaded: Loaded) -> set[str]:
    """Return the route and those that it hands its messages on to, however many are between."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        route = loaded.route(here)
        if route is not None and here not in found:
            found.add(here)
            waiting += [entry.route for entry in route.config.to if isinstance(entry, ToRoute)]
    return found


async def _found(run: _Run, partners: Partners) -> Found:
    """Gather what the end state is compared with."""
    engine = run.engine
    messages = await engine.store.messages(Query(listener=LISTENER, limit=_MANY))
    opened = [row.control_id for row in messages if row.control_id.endswith(" opened")]
    rows: dict[str, list[DeliveryRow]] = {}
    for row in sorted(
        [
            row
            for name in sorted(_handed_on(run.route.name, engine.loaded))
            for row in await engine.store.deliveries(Query(route=name, limit=_MANY))
        ],
        key=lambda each: each.delivery.sequence,
    ):
        rows.setdefault(_first_endpoint(row), []).append(row)
    attempts = {
        row.delivery.sequence: list(await engine.store.attempts(row.delivery.sequence))
        for each in rows.values()
        for row in each
    }
    return Found(
        answers=tuple((answer.status, answer.paths) for answer in run.answers),
        rows=rows,
        attempts=attempts,
        alerts=tuple(sorted(text.removeprefix("alert ").rsplit(" ", 2)[0] for text in opened)),
        sent={(heard.endpoint, heard.message_id): heard.body for heard in partners.heard},
    )


def _first_endpoint(row: DeliveryRow) -> str:
    return row.delivery.chain[0].endpoint


def _answer(receipt: Receipt, desk: _Desk, reader: str) -> _Answer:
    if desk.answer is not None:
        return _Answer(desk.answer.code, ())
    verdict = desk.verdict
    refused = verdict is not None and verdict.disposition is Disposition.REFUSED
    faults = verdict.faults if verdict is not None and refused else ()
    codes = {fault.code for fault in faults}
    paths = tuple(fault.path for fault in faults)
    if reader != HL7:
        unanswered = next((_UNANSWERED[code] for code in codes if code in _UNANSWERED), "")
        return _Answer(unanswered or _STATUS[receipt.disposition], paths)
    if verdict is None or not refused:
        return _Answer("AA", paths)
    return _Answer(verdict.code or ("AR" if codes & _UNREAD else "AE"), paths)
