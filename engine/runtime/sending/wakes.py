"""When which endpoint must be looked at again: one heap for all, so that one timer serves thousands of endpoints."""

from __future__ import annotations

import heapq
import itertools

from engine.runtime.sending.lanes import Lanes


class Wakes:
    """Wake-up times of endpoints; an endpoint has at most one that counts, stale entries are skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Lanes]] = []
        self._tickets = itertools.count()

    def note(self, lanes: Lanes) -> bool:
        """Take over the endpoint's `wake_ms`; True when it is now the first of all."""
        wake = lanes.wake_ms
        if wake is None or (lanes.scheduled_ms is not None and lanes.scheduled_ms <= wake):
            return False
        lanes.scheduled_ms = wake
        heapq.heappush(self._heap, (wake, next(self._tickets), lanes))
        return self._heap[0][2] is lanes

    def next_ms(self) -> int | None:
        """Return the first wake-up time, None when no endpoint waits for one."""
        heap = self._heap
        while heap:
            at, _, lanes = heap[0]
            if lanes.scheduled_ms == at and lanes.wake_ms is not None and lanes.wake_ms <= at:
                return at
            heapq.heappop(heap)
            if lanes.scheduled_ms == at:
                lanes.scheduled_ms = None
                self.note(lanes)
        return None

    def due(self, now_ms: int) -> list[Lanes]:
        """Return the endpoints whose time has come; each must be looked at, which sets its next time."""
        found: list[Lanes] = []
        while (at := self.next_ms()) is not None and at <= now_ms:
            lanes = heapq.heappop(self._heap)[2]
            lanes.scheduled_ms = lanes.wake_ms = None
            found.append(lanes)
        return found
