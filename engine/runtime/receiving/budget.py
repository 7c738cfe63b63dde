"""How much the engine takes in at once: bytes between the door and their commit, and doors that are shut (G6).

Nothing here queues: a sender that is turned away is told to come back, and keeps its message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from engine.clock import Clock
from engine.errors import BudgetExceeded
from engine.store.protocol import Health

MAX_BYTES = 64 * 2**20
RETRY_AFTER = 5.0
"""Seconds that a sender is asked to wait: bytes in flight are gone within one commit, the others within a look."""

DISK_BYTES = 512 * 2**20
DISK_SHARE = 0.05
LOOK_EVERY = 5.0


class Budget:
    """Counts the bytes in flight and knows why the doors are shut, if they are.

    A message larger than the whole budget is taken when nothing else is in flight: its own limit is the listener's.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self._shut: dict[str, str] = {}

    def take(self, size: int) -> Share:
        """Return a share of `size` bytes, to be entered and left.

        Raises:
            BudgetExceeded: a door is shut, or `size` bytes more would be too many.
        """
        for text in self._shut.values():
            raise BudgetExceeded(text, retry_after=RETRY_AFTER, code="shut")
        if self.used and self.used + size > self.max_bytes:
            raise BudgetExceeded("too many bytes in flight", retry_after=RETRY_AFTER, code="budget")
        return Share(self, size)

    def shut(self, why: str, text: str) -> None:
        """Turn everybody away for the reason `why`, with `text`, until `reopen(why)`."""
        self._shut[why] = text

    def reopen(self, why: str) -> None:
        """Take the reason `why` away; doors open when it was the last."""
        self._shut.pop(why, None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the doors are shut; empty when they are open."""
        return tuple(self._shut)


class Share:
    """Bytes that one message holds while it is in flight; implements `spi.Admission`."""

    __slots__ = ("_budget", "_held", "_size")

    def __init__(self, budget: Budget, size: int) -> None:
        self._budget = budget
        self._size = size
        self._held = False

    def __enter__(self) -> Self:
        if not self._held:
            self._held = True
            self._budget.used += self._size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:
            self._held = False
            self._budget.used -= self._size


async def watch_disk(
    health: Callable[[], Awaitable[Health]],
    budget: Budget,
    clock: Clock,
    *,
    changed: Callable[[bool, Health], None],
    min_bytes: int = DISK_BYTES,
    min_share: float = DISK_SHARE,
    every: float = LOOK_EVERY,
) -> None:
    """Shut the doors while the store's disk is nearly full or cannot be written, until cancelled.

    `changed` hears once of each change: True when the doors were shut. Deliveries go on meanwhile.
    """
    shut = False
    while True:
        found = await health()
        scarce = not found.writable or found.free_bytes < min_bytes or found.free_share < min_share
        if scarce:
            budget.shut("disk", "the disk under the store is nearly full")
        else:
            budget.reopen("disk")
        if scarce is not shut:
            shut = scarce
            changed(shut, found)
        await clock.sleep(every)
