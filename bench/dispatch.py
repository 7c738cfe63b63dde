"""Measure the dispatcher alone: CPU per message between the store's commit and the partner's answer, both null.

    python bench/dispatch.py [--messages 50000] [--lanes 32] [--concurrency 8] [--profile]

The store accepts everything and keeps nothing, the partner answers at once: what is left is the price of lanes,
windows, breaker, gates, flight file, metrics and decisions. Each line is one way of use:

    one lane      each delivery is the next of one lane, named by the settlement before it
    many lanes    `--lanes` lanes at once, the next of each named by its settlement
    hints         every message is a hint of its own (`offer`), as the intake gives them
    refill        heads read from the store, a window at a time
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import uvloop

from engine.clock import SystemClock
from engine.ids import IdSource
from engine.model import Attempt, Body, Delivery, Hop, Reply, State
from engine.observe.metrics import Metrics
from engine.runtime.flight import Flight
from engine.runtime.sending.dispatcher import Dispatcher
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.outbounds import Outbounds
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy
from engine.spi import Outbound
from engine.store.protocol import Overtaking, Record, Settled, Settlement
from engine.testing.context import channel_context

CLOCK = SystemClock()
IDS = IdSource(CLOCK)
EMR = "clinic.emr"
BODY = Body.of(os.urandom(400).hex().encode(), "application/json")
CHAIN = (Hop(EMR),)
OK = Reply("202", b"taken")


class NullStore:
    """Answers at once and keeps nothing; `following` makes the next of a lane, `waiting` what a read returns."""

    def __init__(self) -> None:
        self.sequence = 0
        self.left = 0
        self.chained = False
        self.waiting = 0
        self.done = asyncio.Event()
        self.settled = 0
        self.wanted = 0
        self.records = self

    def delivery(self, lane: bytes, body: Body | None = BODY) -> Delivery:
        self.sequence += 1
        now = CLOCK.now_ms()
        return Delivery(
            sequence=self.sequence,
            message=self.sequence,
            message_id=IDS.next(),
            route="appointments",
            route_version="v1",
            destination="emr",
            lane=lane,
            chain=CHAIN,
            hop=0,
            state=State.PENDING,
            due_ms=now,
            accepted_ms=now,
            body=body,
        )

    async def settle(self, settlement: Settlement) -> Settled:
        self.settled += 1
        if self.settled >= self.wanted:
            self.done.set()
        if self.chained and self.left:
            self.left -= 1
            lane = settlement.delivery % 1024
            return Settled(settlement.revision + 1, self.delivery(lane.to_bytes(16, "big")))
        return Settled(settlement.revision + 1)

    async def due(self, endpoint: str, now_ms: int, limit: int, after: int = 0) -> Sequence[Delivery]:
        count = min(limit, self.waiting)
        self.waiting -= count
        return [self.delivery(b"") for _ in range(count)]

    async def overdue(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        return ()

    async def overtaking(self, delivery: Delivery) -> Overtaking:
        return Overtaking(None, False)

    async def outlook(self) -> Mapping[str, int]:
        return {}

    async def body(self, message: int, role: str, part: int = 0) -> Body:
        return BODY

    async def all(self, kind: str) -> Sequence[Record]:
        return ()


class NullPartner(Outbound):
    async def send(self, attempt: Attempt) -> Reply:
        return OK

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return ()


class Fixed:
    def __init__(self, concurrency: int) -> None:
        self._destination = DestinationPolicy("appointments", "emr", recallable=False)
        self._endpoint = EndpointPolicy(EMR, "clinic", concurrency=concurrency)

    def destination(self, delivery: Delivery) -> DestinationPolicy:
        return self._destination

    def endpoint(self, name: str) -> EndpointPolicy:
        return self._endpoint


async def measure(way: str, messages: int, lanes: int, concurrency: int, folder: Path) -> float:
    """Return the microseconds of CPU per message."""
    null = NullStore()
    store: Any = null
    counters = Metrics()
    flight = Flight.open(folder / "flight")
    outbounds = Outbounds(lambda name: NullPartner(None, channel_context(folder)), CLOCK, counters)

    async def route(delivery: Delivery) -> Settlement:
        raise NotImplementedError("nothing is routed here: every delivery has a destination")

    dispatcher = Dispatcher(
        store=store,
        clock=CLOCK,
        policies=Fixed(concurrency),
        outbounds=outbounds,
        flight=flight,
        gates=Gates(store, CLOCK),
        counters=counters,
        rng=random.Random(1),
        routing=route,
    )
    async with anyio.create_task_group() as group:
        outbounds.start(group)
        await dispatcher.start(group)
        dispatcher.offer([null.delivery(b"warm")])
        await dispatcher.wait_idle()
        null.settled, null.wanted = 0, messages
        began = time.process_time()
        if way in {"one lane", "many lanes"}:
            count = 1 if way == "one lane" else lanes
            null.chained, null.left = True, messages - count
            dispatcher.offer([null.delivery(b"%d" % number) for number in range(count)])
            await null.done.wait()
        elif way == "hints":
            for start in range(0, messages, lanes):
                for number in range(min(lanes, messages - start)):
                    dispatcher.offer([null.delivery(b"%d" % number)])
                await dispatcher.wait_idle()
        else:
            null.waiting = messages
            dispatcher.kick(EMR)
            await null.done.wait()
        await dispatcher.wait_idle()
        took = time.process_time() - began
        await dispatcher.drain(1.0)
        await outbounds.close()
    flight.close()
    return took / messages * 1e6


async def making(messages: int) -> float:
    """Return the microseconds that the double itself spends per message."""
    null = NullStore()
    began = time.process_time()
    for _ in range(messages):
        null.delivery(b"lane")
    return (time.process_time() - began) / messages * 1e6


def calibration() -> float:
    """Return the nanoseconds of a call in a loop: what this machine, loaded as it is, takes for plain Python."""
    began = time.process_time()
    for number in range(1_000_000):
        abs(number)
    return (time.process_time() - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"plain Python      {calibration():6.1f} ns/call")
    print(f"the double itself {uvloop.run(making(given.messages)):6.1f} us/message (to be subtracted)")
    for way in ("one lane", "many lanes", "hints", "refill"):
        with tempfile.TemporaryDirectory() as folder:
            profile = cProfile.Profile()
            if given.profile:
                profile.enable()
            runs = [
                uvloop.run(measure(way, given.messages, given.lanes, given.concurrency, Path(folder)))
                for _ in range(1 if given.profile else 3)
            ]
            profile.disable()
            print(f"{way:17} {sorted(runs)[len(runs) // 2]:6.1f} us CPU/message (median of {len(runs)})")
            if given.profile:
                pstats.Stats(profile).sort_stats("tottime").print_stats(22)


if __name__ == "__main__":
    main()
