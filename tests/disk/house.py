"""An engine between a sender and a receiver, its disk at fault; and the verdict on what became of it all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.crash.checker import Report, check, read_sent, read_store, read_tried
from tests.crash.child import Child, await_ready
from tests.crash.project import Ports, write_project
from tests.crash.receiver import Receiver, listening
from tests.crash.sender import Sender
from tests.peers.ports import free_port

PATIENCE = 60.0


class House:
    """One engine in full traffic."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.faults = 0
        self.ports = Ports(free_port(), free_port())
        self.child = Child(write_project(folder, self.ports, longest_ms=200), environ=environ)
        rng = random.Random(11)
        self.sender = Sender(
            self.ports.engine, folder / "sender.journal", connections=8, rng=rng, large_share=0.05
        )
        self.receiver = Receiver(folder / "receiver.journal", rng=rng)
        self.enough = asyncio.Event()

    async def start(self) -> None:
        """Start the engine and return once it is ready."""
        self.child.start()
        await asyncio.to_thread(await_ready, self.child)

    async def accepts(self, more: int) -> None:
        """Return once so many more orders were accepted."""
        wanted = self.sender.accepted + more
        await self.until(lambda: self.sender.accepted >= wanted, f"{more} more were accepted")

    async def owes(self, count: int) -> None:
        """Let the receiver hesitate until so many orders were accepted and not delivered."""
        self.receiver.held_open.clear()
        await self.until(lambda: self.owed() >= count, f"{count} were owed")

    def owed(self) -> int:
        """Return how many accepted orders the receiver does not have."""
        return self.sender.accepted - len(self.receiver.taken)

    async def exit_code(self) -> tuple[int, float]:
        """Return with what the engine ended by itself, and after how many seconds."""
        begun = time.monotonic()
        code = await asyncio.to_thread(self.child.running.wait, PATIENCE)
        self.faults += 1
        return code, time.monotonic() - begun

    async def report(self) -> Report:
        """Let everything arrive, stop in order, and compare the three journals."""
        self.enough.set()
        await self.until(lambda: not self.sender.waiting and self.owed() <= 0, "everything had arrived")
        await self._settled()
        assert await asyncio.to_thread(self.child.stop) == 0, self.child.said()
        return await asyncio.to_thread(self._check)

    async def _settled(self) -> None:
        """Wait until the store owes nothing: what arrived in a send that the fault cut is sent once more."""
        deadline = time.monotonic() + PATIENCE
        while (await asyncio.to_thread(self.child.ask, "reconcile"))["unfinished"]:
            assert time.monotonic() < deadline, self.child.said()

    def _check(self) -> Report:
        self.sender.sync()
        return check(
            read_sent(self.folder / "sender.journal"),
            read_tried(self.folder / "receiver.journal"),
            read_store(self.child.database),
            conserved=self.child.ask("reconcile")["conserved"],
            faults=self.faults,
        )

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; real time, since the engine has a clock of its own."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"after {PATIENCE:.0f} s not yet: {what}\n{self.child.said()}"
            await asyncio.sleep(0.005)


@asynccontextmanager
async def house(folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[House]:
    """Set up an engine, running, with its traffic; `report` before the block ends."""
    found = House(folder, environ or {})
    try:
        async with listening(found.receiver, found.ports.receiver):
            await found.start()
            async with asyncio.TaskGroup() as group:
                traffic = group.create_task(found.sender.run(found.enough))
                try:
                    yield found
                finally:
                    traffic.cancel()
    finally:
        found.child.end()
        found.sender.close()
