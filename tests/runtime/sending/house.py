"""A dispatcher over a real SQLite store, with a clock that tests move and partners that follow a script."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from engine.clock import Clock
from engine.errors import Rejected
from engine.ids import IdSource
from engine.model import Attempt, Body, Delivery, Disposition, Hop, Message, Reply, State
from engine.runtime.flight import Flight
from engine.runtime.recovery import recover
from engine.runtime.sending.breaker import Phase
from engine.runtime.sending.dispatcher import Dispatcher
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.outbounds import Outbounds
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy
from engine.runtime.sending.sender import Concluded
from engine.spi import Outbound
from engine.store import open_store
from engine.store.protocol import (
    Acceptance,
    Accepted,
    AttemptRow,
    DeliveryRow,
    NewDelivery,
    Query,
    Rendering,
    Settlement,
    Store,
)
from engine.testing.context import CountedInMemory, channel_context
from engine.testing.virtual_clock import VirtualClock

NINE = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
"""09:00 in Quebec, a Monday."""

EMR = "clinic.emr"
QUEUE = "clinic.queue"
MAIL = "clinic.mail"

Answer = Reply | Exception | Callable[[Attempt], Awaitable[Reply]]
"""What a scripted partner does: answer, raise, or run something of the test's own."""

OK = Reply("202")


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt as the partner saw it; `at_ms` by the virtual clock."""

    endpoint: str
    message_id: str
    number: int
    body: bytes
    at_ms: int
    kind: str
    headers: Mapping[str, str]


class Partner(Outbound):
    """An endpoint that follows a script; its last line repeats."""

    def __init__(self, name: str, house: House) -> None:
        super().__init__(None, channel_context(house.folder, name=name, clock=house.clock))
        self._name = name
        self._house = house

    async def send(self, attempt: Attempt) -> Reply:
        house = self._house
        house.sent.append(
            Sent(
                self._name,
                attempt.message_id,
                attempt.number,
                attempt.body.read(),
                house.clock.now_ms(),
                attempt.kind,
                attempt.headers,
            )
        )
        house.news.set()
        script = house.scripts.get(self._name, [OK])
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else await answer(attempt)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return ()


class Rules:
    """Policies that a test sets; every destination is the same unless it says otherwise."""

    def __init__(self) -> None:
        self.of_destination: DestinationPolicy | None = DestinationPolicy("appointments", "emr")
        self.endpoints: dict[str, EndpointPolicy] = {
            name: EndpointPolicy(name, "clinic") for name in (EMR, QUEUE, MAIL)
        }

    def change(self, **changes: Any) -> None:
        """Change the destination's policy."""
        assert self.of_destination is not None
        self.of_destination = replace(self.of_destination, **changes)

    def change_endpoint(self, name: str, **changes: Any) -> None:
        """Change, or add, an endpoint's policy."""
        self.endpoints[name] = replace(self.endpoints.get(name, EndpointPolicy(name, "clinic")), **changes)

    def destination(self, delivery: Delivery) -> DestinationPolicy | None:
        return self.of_destination

    def endpoint(self, name: str) -> EndpointPolicy | None:
        return self.endpoints.get(name)


async def no_router(delivery: Delivery) -> Settlement:
    raise Rejected("these tests route nothing")


@dataclass
class House:
    """What one test works with; `forward` lets hours pass."""

    folder: Path
    clock: VirtualClock
    store: Store
    rules: Rules
    gates: Gates
    flight: Flight
    counters: CountedInMemory
    scripts: dict[str, list[Answer]]
    rng: random.Random
    sent: list[Sent] = field(default_factory=list)
    settled: list[Concluded] = field(default_factory=list)
    breaker: list[tuple[str, Phase]] = field(default_factory=list)
    router: Callable[[Delivery], Awaitable[Settlement]] = no_router

    def __post_init__(self) -> None:
        self.news = anyio.Event()
        self._ids = IdSource(self.clock)
        self._numbers = itertools.count()
        self.outbounds = Outbounds(lambda name: Partner(name, self), self.clock, self.counters)
        self.dispatcher = Dispatcher(
            store=self.store,
            clock=self.clock,
            policies=self.rules,
            outbounds=self.outbounds,
            flight=self.flight,
            gates=self.gates,
            counters=self.counters,
            rng=self.rng,
            routing=self._route,
            settled=self.settled.append,
            breaker_changed=lambda name, phase: self.breaker.append((name, phase)),
        )

    async def _route(self, delivery: Delivery) -> Settlement:
        return await self.router(delivery)

    # ------------------------------------------------------------- life

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TaskGroup]:
        """Run the dispatcher; drain it at the end."""
        async with anyio.create_task_group() as group:
            self.outbounds.start(group)
            await self.dispatcher.start(group)
            yield group
            await self.dispatcher.drain(5.0)
            await self.outbounds.close()

    # ------------------------------------------------------------- messages

    async def put(self, *, lane: str = "", chain: Sequence[str] = (EMR,), **more: Any) -> Accepted:
        """Store a message with one delivery, telling nobody."""
        number = next(self._numbers)
        now_ms = self.clock.now_ms()
        text = more.pop("text", f"body {number}")
        after = more.pop("after", None)
        headers = more.pop("headers", {})
        renderings = more.pop("renderings", (Rendering("rendered", Body.of(text.encode()), "text/plain"),))
        deadlines = [
            at
            for at in (more.get("expire_ms"), None if after is None else now_ms + round(after * 1000))
            if at is not None
        ]
        delivery = NewDelivery(
            route=more.pop("route", "appointments"),
            route_version="v1",
            destination=more.pop("destination", "emr"),
            chain=more.pop("hops", tuple(Hop(name) for name in chain)),
            lane=lane,
            due_ms=now_ms,
            deadline_ms=min(deadlines, default=None),
        )
        control = more.pop("control", "")
        delivery = replace(delivery, also=more.pop("also", ()), **more)
        body = Body.of(text.encode())
        message = Message(self._ids.next(), "public", body, "json", now_ms, control_id=control)
        return await self.store.accept(
            Acceptance(message, Disposition.ACCEPTED, b"ok", [delivery], renderings, headers=headers)
        )

    async def put_many(self, count: int, **more: Any) -> None:
        """Store many messages in few commits, telling nobody."""
        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(partial(self.put, **more))

    async def accept(self, **more: Any) -> str:
        """Store a message and tell the dispatcher, as the intake does; return its id."""
        accepted = await self.put(**more)
        self.dispatcher.offer(accepted.ready)
        self.dispatcher.nudge(accepted.nudged)
        return accepted.message_id

    async def row(self, message_id: str) -> DeliveryRow:
        """Return the one delivery of a message."""
        (row,) = await self.store.deliveries(Query(id=message_id))
        return row

    async def state(self, message_id: str) -> State:
        return (await self.row(message_id)).delivery.state

    async def attempts(self, message_id: str) -> Sequence[AttemptRow]:
        return await self.store.attempts((await self.row(message_id)).delivery.sequence)

    # ------------------------------------------------------------- time

    async def quiet(self) -> None:
        """Wait until nothing is in flight and nothing is due."""
        with anyio.fail_after(120):
            await self.dispatcher.wait_idle()

    async def until_sent(self, count: int, endpoint: str = "") -> None:
        """Wait until `count` attempts reached partners, or one of them."""
        with anyio.fail_after(30):
            while sum(not endpoint or sent.endpoint == endpoint for sent in self.sent) < count:
                self.news = anyio.Event()
                await self.news.wait()

    async def tick_until(self, done: Callable[[], bool], *, step_ms: int) -> None:
        """Let time pass in small steps, whatever is in flight, until something is so."""
        with anyio.fail_after(30):
            while not done():
                self.clock.advance_to(self.clock.now_ms() + step_ms)
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()

    async def forward(self, seconds: float) -> None:
        """Let time pass, stopping at every moment at which the dispatcher has something to do."""
        target = self.clock.now_ms() + round(seconds * 1000)
        while True:
            await self.quiet()
            wake = self.dispatcher.next_wake_ms()
            if wake is None or wake > target:
                break
            self.clock.advance_to(max(wake, self.clock.now_ms()))
        self.clock.advance_to(target)
        await self.quiet()

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.clock.monotonic()


@asynccontextmanager
async def house(
    folder: Path,
    *,
    seed: int = 7,
    clock: VirtualClock | None = None,
    wrap: Callable[[Store, Clock], Store] | None = None,
) -> AsyncIterator[House]:
    """Open store, flight file and recovery; the test runs `open()` itself."""
    time = clock or VirtualClock(NINE)
    async with open_store(f"sqlite:{folder / 'store.db'}", clock=time) as opened:
        store = wrap(opened, time) if wrap else opened
        flight = Flight.open(folder / "flight")
        try:
            await recover(store, flight, time)
            yield House(
                folder=folder,
                clock=time,
                store=store,
                rules=Rules(),
                gates=Gates(store.records, time),
                flight=flight,
                counters=CountedInMemory(),
                scripts={},
                rng=random.Random(seed),
            )
        finally:
            flight.close()
