"""A campaign of random kills: traffic that never stops, an engine that dies again and again, and a verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import Report, StoreJournal, check, read_sent, read_store, read_tried
from tests.crash.child import ChildFailed, await_ready
from tests.crash.forking import Forks
from tests.crash.mllp import MllpReceiver, MllpSender, read_by_control_id, write_mllp_project
from tests.crash.project import Ports, write_project
from tests.crash.receiver import Receiver, listening
from tests.crash.sender import Sender
from tests.peers.ports import free_port

UNFINISHED = 50
"""Deliveries that are not terminal at every kill: fewer, and a kill would prove little."""
DRAIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard: `kills`, orders accepted between two of them, and the share of large bodies."""

    kills: int
    accepted_between: int
    connections: int = 16
    large_share: float = 0.02
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Transport:
    """What the orders travel by: the project, both ends, and how the store's rows are named as their journals do."""

    write: Callable[[Path, Ports], Path]
    sender: type[Sender]
    receiver: type[Receiver]
    read: Callable[[Path], StoreJournal]


HTTP = Transport(write_project, Sender, Receiver, read_store)
MLLP = Transport(write_mllp_project, MllpSender, MllpReceiver, read_by_control_id)


@dataclass(slots=True)
class Outcome:
    """What a campaign gives: the checker's report, and the state at each kill."""

    report: Report
    unacknowledged: list[int] = field(default_factory=list)
    unfinished: list[int] = field(default_factory=list)
    ready_seconds: list[float] = field(default_factory=list)
    failed_share: float = 0.0
    exit_code: int = 0

    def __str__(self) -> str:
        ready = sorted(self.ready_seconds)
        return (
            f"{self.report}\nat the kills: at least {min(self.unacknowledged)} unacknowledged and "
            f"{min(self.unfinished)} unfinished; receiver failed {self.failed_share:.0%}; "
            f"ready again, imports apart, after {ready[len(ready) // 2]:.2f} s (median), {ready[-1]:.2f} s (longest)"
        )


class Campaign:
    """Runs a plan in a folder."""

    def __init__(self, folder: Path, forks: Forks, plan: Plan, transport: Transport = HTTP) -> None:
        self.plan = plan
        self.transport = transport
        self.rng = random.Random(plan.seed)
        ports = Ports(free_port(), free_port())
        self.ports = ports
        self.child = forks.child(transport.write(folder, ports))
        self.sent, self.tried = folder / "sender.journal", folder / "receiver.journal"
        self.sender = transport.sender(
            ports.engine,
            self.sent,
            connections=plan.connections,
            rng=self.rng,
            large_share=plan.large_share,
        )
        self.receiver = transport.receiver(self.tried, rng=self.rng)
        self.outcome = Outcome(Report(0, 0, 0, 0, (), 0, 0, (), (), ()))

    async def run(self) -> Outcome:
        """Send, kill, start again; then let everything arrive, stop in order, and check."""
        stop = asyncio.Event()
        await asyncio.to_thread(self._start)
        try:
            async with listening(self.receiver, self.ports.receiver), asyncio.TaskGroup() as group:
                traffic = group.create_task(self.sender.run(stop))
                for _ in range(self.plan.kills):
                    await self._kill_once()
                stop.set()
                await traffic
                await self._until(self._all_arrived, "everything had arrived")
                await self._all_ended()
            self.outcome.exit_code = await asyncio.to_thread(self.child.stop)
        finally:
            self.child.end()
            self.sender.close()
        self.outcome.failed_share = self.receiver.failed / max(1, self.receiver.received)
        self.outcome.report = await asyncio.to_thread(self._check)
        return self.outcome

    def _check(self) -> Report:
        view = self.child.ask("reconcile")
        return check(
            read_sent(self.sent),
            read_tried(self.tried),
            self.transport.read(self.child.database),
            conserved=view["conserved"],
            faults=self.child.kills,
        )

    async def _kill_once(self) -> None:
        """Kill at a random moment at which enough is under way."""
        wanted = self.sender.accepted + self.plan.accepted_between
        await self._until(lambda: self.sender.accepted >= wanted, "enough was accepted")
        self.receiver.held_open.clear()  # the receiver hesitates, and what is owed piles up
        await self._until(lambda: self._owed() >= UNFINISHED + 10, "enough was owed")
        self.receiver.held_open.set()
        await asyncio.sleep(self.rng.random() * 0.01)  # real time: a random moment in the traffic
        await self._until(lambda: bool(self.sender.waiting), "something waited for its reply")
        self.child.kill()  # blocks the loop: nothing is answered between the look and the kill
        self.outcome.unacknowledged.append(len(self.sender.waiting))
        self.sender.sync()
        store = await asyncio.to_thread(read_store, self.child.database)
        self.outcome.unfinished.append(store.unfinished)
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        begun = time.monotonic()
        self.child.start()
        await_ready(self.child)
        self.outcome.ready_seconds.append(time.monotonic() - begun)

    def _owed(self) -> int:
        return self.sender.accepted - len(self.receiver.taken)

    def _all_arrived(self) -> bool:
        if self.child.running.poll() is not None:
            raise ChildFailed(f"the engine ended by itself:\n{self.child.said()[-4000:]}")
        return self._owed() <= 0

    async def _all_ended(self) -> None:
        """Wait until the store owes nothing: what arrived while its answer was cut is sent once more."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while (await asyncio.to_thread(self.child.ask, "reconcile"))["unfinished"]:
            if time.monotonic() > deadline:
                raise ChildFailed(f"after {DRAIN_SECONDS:.0f} s the store still owes something")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; real time, since the child has a clock of its own."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ChildFailed(f"after {DRAIN_SECONDS:.0f} s not yet: {what}\n{self.child.said()[-4000:]}")
            await asyncio.sleep(0.002)
