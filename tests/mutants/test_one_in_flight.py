"""The fallback waits for the end of the attempt that is under way, however long ago its time has come (GUARANTEES)."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel

from engine.errors import Transient
from engine.model import Attempt, Reply, State
from tests.runtime.sending.house import EMR, OK, QUEUE, House, house


async def settled_so_far(home: House) -> None:
    """Wait until everything that asked for a commit has it, and what follows from that has begun."""
    await home.store.journal.append("tick", actor="test", detail="", at_ms=home.clock.now_ms())
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_the_fallback_starts_after_the_attempt_that_outlasted_its_time(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        go_on = anyio.Event()

        async def absent_at_last(attempt: Attempt) -> Reply:
            await go_on.wait()
            raise Transient("absent", code="absent")

        home.rules.change(fallback_after=12.0)
        home.scripts[EMR] = [absent_at_last]
        home.scripts[QUEUE] = [OK]
        message = await home.accept(chain=(EMR, QUEUE), after=12.0)
        await home.until_sent(1, EMR)
        for _ in range(25):
            home.clock.advance_to(home.clock.now_ms() + 1_000)
            await settled_so_far(home)
        during = [sent.endpoint for sent in home.sent]

        go_on.set()
        await home.until_sent(1, QUEUE)
        await home.quiet()

        assert during == [EMR], "both were in flight"
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK
