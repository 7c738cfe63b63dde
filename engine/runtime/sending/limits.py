"""How fast and how much: a token bucket per endpoint, and a bound on the bytes that are being sent."""

from __future__ import annotations

import asyncio
from collections import deque

BURST = 0.1
"""Seconds' worth of tokens that may be spent at once; at least one."""

MAX_BYTES = 64 * 2**20
"""Bytes of inline bodies in flight towards all partners together (G6)."""


class TokenBucket:
    """Lets `rate` attempts per second through; times are monotonic seconds, given by the caller."""

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self) -> None:
        self.rate = 0.0
        self._tokens = 0.0
        self._at = 0.0

    def wait(self, rate: float, now: float) -> float:
        """Return the seconds until the next attempt may start; 0 when one may now."""
        capacity = max(1.0, rate * BURST)
        if rate != self.rate:
            self._tokens = min(self._tokens, capacity) if self.rate else capacity
            self.rate = rate
        else:
            self._tokens = min(capacity, self._tokens + (now - self._at) * rate)
        self._at = now
        # A token that lacks less than a nanosecond is there: else rounding would ask for one more tiny wait.
        return 0.0 if self._tokens > 1.0 - 1e-9 else (1.0 - self._tokens) / rate

    def take(self) -> None:
        """Spend the token that `wait` said was there."""
        self._tokens -= 1.0


class ByteBudget:
    """Bounds the bytes of bodies in memory; who asks for more than is left waits its turn, in order.

    A body larger than the whole budget goes alone.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def fits(self, size: int) -> bool:
        """Say whether `size` bytes may be taken now."""
        return not self._waiting and (not self.used or self.used + size <= self.max_bytes)

    async def take(self, size: int) -> None:
        """Take `size` bytes, at once or when those before have given theirs back."""
        if self.fits(size):
            self.used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """Give bytes back."""
        self.used -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if self.used and self.used + wanted > self.max_bytes:
                    return
                self.used += wanted
                turn.set_result(None)
            self._waiting.popleft()
