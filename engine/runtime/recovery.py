"""Recovery: what the last process was doing when it died, settled before any lane starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from engine.clock import Clock
from engine.runtime.flight import Flight

_log = logging.getLogger(__name__)


class Recoverable(Protocol):
    """The part of the store that recovery needs."""

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]: ...


async def recover(store: Recoverable, flight: Flight, clock: Clock) -> Sequence[int]:
    """Count an unknown outcome for every delivery that was in a send, once per attempt; return those changed.

    Must have returned before the dispatcher starts, and before the flight file takes its first send. Dying in here
    and starting again is safe: the marks stay in the file until the store has counted them.
    """
    changed = await store.recover(flight.in_send, clock.now_ms()) if flight.in_send else ()
    flight.recovered()
    if changed:
        _log.warning(
            "deliveries were being sent when the last process ended: their outcome is unknown, they are sent again",
            extra={"action": "recover", "count": len(changed)},
        )
    return changed
