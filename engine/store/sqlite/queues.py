"""Who stands in a lane, in order, as far as that is known without reading."""

from __future__ import annotations

LANES = 8_192
"""Lanes at most of which something is known."""

PLACES = 65_536
"""Places at most that are kept in order, over all lanes: some 2 MB."""


class Queues:
    """Lanes that were seen empty, and everybody who entered since.

    A lane is a list of deliveries, first come first, or only their number where too many stand in it. A lane that is
    not here has to be looked at.
    """

    def __init__(self) -> None:
        self._lanes: dict[bytes, list[int] | int] = {}
        self._places = 0

    def stands(self, lane: bytes) -> bool | None:
        """Say whether somebody stands in the lane; None where that is not known."""
        found = self._lanes.get(lane)
        return None if found is None else bool(found)

    def opened(self, lane: bytes) -> None:
        """Take up a lane that was seen empty."""
        self._lanes[lane] = []

    def enter(self, lane: bytes, delivery: int) -> None:
        """Add one at the end of a lane that is known."""
        queue = self._lanes[lane]
        if isinstance(queue, int):
            self._lanes[lane] = queue + 1
        elif self._places >= PLACES:
            self._places -= len(queue)
            self._lanes[lane] = len(queue) + 1
        else:
            queue.append(delivery)
            self._places += 1

    def leave(self, lane: bytes, delivery: int) -> int | None:
        """Take one out; return who is first now: 0 where nobody is, None where the lane has to be looked at."""
        queue = self._lanes.get(lane)
        if queue is None:
            return None
        if isinstance(queue, int):
            self._lanes[lane] = queue - 1 if queue > 1 else []
            return None if queue > 1 else 0
        if queue and queue[0] == delivery:
            del queue[0]
            self._places -= 1
            return queue[0] if queue else 0
        self.forget(lane)  # it left out of turn
        return None

    def forget(self, lane: bytes) -> None:
        """Know nothing of a lane any more."""
        found = self._lanes.pop(lane, None)
        if isinstance(found, list):
            self._places -= len(found)

    def trim(self) -> None:
        """Forget all where too many lanes are known."""
        if len(self._lanes) > LANES:
            self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._lanes.clear()
        self._places = 0
