"""A clock that a test moves: the engine waits on it as on the machine's, and hours pass in no time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import datetime


class VirtualClock:
    """Wall and monotonic time that stand still until `advance_to`; daylight saving and steps are the test's to make."""

    def __init__(self, start: datetime) -> None:
        self._now_ms = round(start.timestamp() * 1000)
        self._origin_ms = self._now_ms
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return (self._now_ms - self._origin_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = self._now_ms + max(1, round(seconds * 1000))
        heapq.heappush(self._waiting, (due, next(self._tickets), future))
        await future

    def next_wake_ms(self) -> int | None:
        """Return when the first sleeper wakes, None when nobody sleeps."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def advance_to(self, now_ms: int) -> None:
        """Move time forward and wake everyone whose time has come, in order; ValueError for a step back."""
        if now_ms < self._now_ms:
            raise ValueError("a virtual clock does not go back")
        self._now_ms = now_ms
        while self._waiting and self._waiting[0][0] <= now_ms:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
