"""Wall and monotonic time behind one interface, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Gives time and waits for it; rows hold `now_ms`, in-process delays use `monotonic`."""

    def now_ms(self) -> int:
        """Return UTC wall time in milliseconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin that never go backwards."""

    async def sleep(self, seconds: float) -> None:
        """Wait until `monotonic` has advanced by `seconds`; cancellable."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
