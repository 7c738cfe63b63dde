"""The fallback waits for the end of the attempt that is under way, however long ago its time has come (GUARANTEES)."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.errors import Transient
from engine.model import Attempt, Reply, State
from tests.runtime.sending.house import EMR, OK, QUEUE, house


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
        await home.tick_until(lambda: len(home.sent) > 1 or home.elapsed() > 25, step_ms=100)
        during = [sent.endpoint for sent in home.sent]

        go_on.set()
        await home.until_sent(1, QUEUE)
        await home.quiet()

        assert during == [EMR], "both were in flight"
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK
