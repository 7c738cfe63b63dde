"""One task that waits for the next thing to do, however many things wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio import CancelScope

from engine.clock import Clock

STEP_MS = 1_000
"""A wall clock that goes back by more than this was set, and did not drift."""


class Timekeeper:
    """Sleeps until `next_ms`, at most `period` seconds, then calls `strike`; again until it is stopped.

    `set_back` hears by how many ms (below 0) somebody set the wall clock back while it slept: in-process delays go on
    by the monotonic clock.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        period: float,
        next_ms: Callable[[], int | None],
        strike: Callable[[], None],
        set_back: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._period = period
        self._next_ms = next_ms
        self._strike = strike
        self._set_back = set_back
        self._until_ms = 0
        self._nap = CancelScope()
        self._life = CancelScope()

    def earlier(self, at_ms: int) -> None:
        """Wake by `at_ms` at the latest."""
        if at_ms < self._until_ms:
            self._until_ms = 0
            self._nap.cancel()

    def stop(self) -> None:
        self._life.cancel()

    async def run(self) -> None:
        """Run until `stop` or cancellation."""
        with self._life:
            while True:
                await self._sleep()
                self._strike()
                await asyncio.sleep(0)

    async def _sleep(self) -> None:
        wall, steady = self._clock.now_ms(), self._clock.monotonic()
        following = self._next_ms()
        until = wall + round(self._period * 1000)
        if following is not None:
            until = min(until, following)
        if until > wall:
            self._until_ms = until
            with CancelScope() as self._nap:
                await self._clock.sleep((until - wall) / 1000)
            self._until_ms = 0
        step = self._clock.now_ms() - wall - round((self._clock.monotonic() - steady) * 1000)
        if step < -STEP_MS:
            self._set_back(step)
