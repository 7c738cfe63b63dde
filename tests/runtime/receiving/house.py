"""The receiving half in a test: real codecs, steps and SQLite store; only dispatcher and channel are stood in for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from engine.ids import IdSource
from engine.model import Body, Certificate, Delivery, Disposition, Fault, Message, Peer, Receipt, Verdict
from engine.runtime.compiling.assembling import Assembled
from engine.runtime.flight import Flight
from engine.runtime.receiving.budget import Budget
from engine.runtime.receiving.intake import Reception
from engine.runtime.receiving.repeats import Repeats
from engine.runtime.routing.board import Current
from engine.runtime.routing.detours import Detours
from engine.runtime.routing.plan import Blame, Planner
from engine.runtime.routing.router import Router
from engine.store import open_store
from engine.store.protocol import DeliveryRow, Query, Settled, Store
from engine.testing.context import CountedInMemory
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.receiving.project import REPOSITORY

DOOR = "POST /v1/appointments"
START = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)


def sample(name: str = "booked", **changes: Any) -> dict[str, Any]:
    """Return a shipped sample; `appointment__version=2` changes the event's data, a name without `__` its envelope."""
    event: dict[str, Any] = json.loads(
        (REPOSITORY / f"routes/samples/{name}.json").read_text(encoding="utf-8")
    )
    for key, value in changes.items():
        where, _, leaf = key.rpartition("__")
        place = event["data"] if where else event
        for step in where.split("__") if where else ():
            place = place[step]
        place[leaf] = value
    return event


class JsonExchange:
    """Renders a verdict so that a test can read it: disposition, message id and the paths at fault."""

    def reply(self, verdict: Verdict) -> bytes:
        faults = [[fault.path, fault.text, fault.code] for fault in verdict.faults]
        told = {
            "disposition": verdict.disposition.word,
            "id": verdict.message_id,
            "faults": faults,
            "code": verdict.code,
        }
        return json.dumps(told).encode()


@dataclass
class Dispatched:
    """What the intake told the dispatcher."""

    offered: list[Delivery] = field(default_factory=list)
    nudged: list[Delivery] = field(default_factory=list)
    kicks: int = 0
    came: anyio.Event = field(default_factory=anyio.Event)

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        self.offered.extend(deliveries)
        self.came.set()
        self.came = anyio.Event()

    def nudge(self, deliveries: Sequence[Delivery]) -> None:
        self.nudged.extend(deliveries)

    def kick(self) -> None:
        self.kicks += 1


@dataclass
class House:
    """One receiving engine and everything that it told others."""

    reception: Reception
    router: Router
    clock: VirtualClock
    ids: IdSource
    counted: CountedInMemory
    dispatched: Dispatched
    blames: list[Blame]
    flight: Flight

    @property
    def store(self) -> Store:
        return self.reception.store

    def message(
        self,
        content: object,
        *,
        listener: str = "public",
        selector: str = DOOR,
        codec: str = "json",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        partner: str | None = None,
        control_id: str = "",
        certificate: Certificate | None = None,
        meta: Mapping[str, object] | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> Message:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Message(
            id=self.ids.next(),
            listener=listener,
            body=Body.of(data),
            codec=codec,
            received_ms=self.clock.now_ms(),
            selector=selector,
            partner=partner,
            control_id=control_id,
            peer=Peer("127.0.0.1:5", certificate),
            content_type=content_type,
            headers=headers or {},
            meta=meta or {},
            faults=faults,
        )

    async def post(self, content: object, **how: Any) -> Receipt:
        """Hand a message in as a channel does."""
        message = self.message(content, **how)
        return await self.reception.intake(message.listener)(message, JsonExchange())

    async def rows(self, **narrow: Any) -> list[DeliveryRow]:
        """Return deliveries as the archive shows them, oldest first."""
        found = await self.store.deliveries(Query(**narrow))
        return sorted(found, key=lambda row: row.delivery.sequence)

    async def only(self, **narrow: Any) -> Delivery:
        """Return the one delivery there is."""
        (row,) = await self.rows(**narrow)
        return row.delivery

    async def body(self, delivery: Delivery, hop: int = 0, role: str = "") -> Any:
        """Return what a hop carries, decoded."""
        name = role or delivery.chain[hop].rendering
        found = await self.store.body(delivery.message, name, delivery.part)
        assert found is not None, f"nothing is stored as {name}"
        return json.loads(found.read())

    async def sent(self, delivery: Delivery, hop: int = 0) -> bytes:
        """Return the bytes that a hop carries."""
        found = await self.store.body(delivery.message, delivery.chain[hop].rendering, delivery.part)
        assert found is not None, "nothing is stored"
        return found.read()

    async def route(self, delivery: Delivery) -> Settled:
        """Let the router make of a delivery of kind route what its message becomes, and settle that."""
        return await self.store.settle(await self.router(delivery))


def told(receipt: Receipt) -> dict[str, Any]:
    """Return what the reply says."""
    found: dict[str, Any] = json.loads(receipt.reply)
    return found


def paths(receipt: Receipt) -> list[str]:
    """Return the paths at fault that the reply names."""
    assert receipt.disposition is Disposition.REFUSED
    return [fault[0] for fault in told(receipt)["faults"]]


@asynccontextmanager
async def house(folder: Path, assembled: Assembled, *, store: Store | None = None) -> AsyncIterator[House]:
    """Open a store below `folder` and give the receiving half on it."""
    clock = VirtualClock(START)
    (folder / "var").mkdir(exist_ok=True)
    flight = Flight.open(folder / "var/flight")
    ids = IdSource(clock)
    counted = CountedInMemory()
    dispatched = Dispatched()
    blames: list[Blame] = []
    try:
        async with open_store(f"sqlite:{folder}/var/store.db", clock=clock) as opened:
            current = Current(assembled.board)
            detours = Detours(opened, clock)
            planner = Planner(clock=clock, new_id=ids.next, counters=counted, behind=detours.behind)
            reception = Reception(
                store=store or opened,
                current=current,
                planner=planner,
                budget=Budget(),
                flight=flight,
                repeats=Repeats(opened.records, clock),
                detours=detours,
                clock=clock,
                counters=counted,
                dispatch=dispatched,
                blame=blames.append,
            )
            router = Router(
                archive=opened,
                current=current,
                planner=planner,
                flight=flight,
                clock=clock,
                blame=blames.append,
            )
            yield House(reception, router, clock, ids, counted, dispatched, blames, flight)
    finally:
        flight.close()


def with_store(given: House, store: Store) -> House:
    """Return the same house on another store, one that fails for example."""
    return replace(given, reception=replace(given.reception, store=store))
