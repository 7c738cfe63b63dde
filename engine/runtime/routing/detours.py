"""Ordered routes in which older messages still wait to be routed: what comes later has to queue behind them.

Such a message is a delivery of kind route, in a lane of its route and key. While there is one, later messages of the
route take the same way, so that the lane keeps them in order; other keys pass it at once. When none is left, messages
are routed before their reply again.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.clock import Clock
from engine.errors import Transient
from engine.model import State
from engine.runtime.routing.paper import routing_endpoint
from engine.store.protocol import Archive, Query

REVIEW_EVERY = 1.0
"""Seconds between two looks at the store whether a detour is still needed; only made while there is one."""

_UNFINISHED = tuple(state for state in State if not state.terminal)


class Detours:
    """Remembers which routes are behind; a look at the store ends that, never a guess."""

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        self._behind: set[str] = set()
        self._entering: dict[str, int] = {}
        self._began = 0
        self._reviewed = clock.monotonic()

    def behind(self, route: str) -> bool:
        """Say whether a message of this route must queue behind older ones."""
        return route in self._behind

    async def begin(self, routes: Iterable[str]) -> None:
        """Find out at start which of the ordered routes an earlier process left behind.

        The store's counters say where there can be something at all, so that many routes cost no more than a few.
        """
        counts = (await self._archive.tally()).endpoints
        suspects = {endpoint for (endpoint, state), count in counts.items() if count and _may_wait(state)}
        for route in routes:
            if routing_endpoint(route) in suspects and await self._waiting(route):
                self._behind.add(route)

    def entering(self, routes: Iterable[str]) -> None:
        """Note that deliveries of kind route are about to be committed; `entered` follows in any case."""
        for route in routes:
            self._began += 1
            self._behind.add(route)
            self._entering[route] = self._entering.get(route, 0) + 1

    def entered(self, routes: Iterable[str]) -> None:
        """Note that the commit returned, or failed."""
        for route in routes:
            self._entering[route] -= 1

    async def review(self) -> None:
        """Let routes whose last waiting message was routed go the short way again; cheap when there is nothing."""
        if not self._behind or self._clock.monotonic() - self._reviewed < REVIEW_EVERY:
            return
        self._reviewed = self._clock.monotonic()
        for route in tuple(self._behind):
            began = self._began
            try:
                waiting = self._entering.get(route, 0) > 0 or await self._waiting(route)
            except Transient:
                return  # the store is busy: the detour is the safe way meanwhile
            if not waiting and began == self._began:
                self._behind.discard(route)

    async def _waiting(self, route: str) -> bool:
        """Say whether a delivery of kind route is unfinished, or may stop its lane as an open dead letter."""
        endpoint = routing_endpoint(route)
        if await self._archive.deliveries(Query(endpoint=endpoint, states=_UNFINISHED, limit=1)):
            return True
        dead = await self._archive.deliveries(Query(endpoint=endpoint, open_dead=True))
        return any(row.delivery.lane for row in dead)  # in a lane of its own it holds nobody


def _may_wait(state: State) -> bool:
    return state is State.DEAD or not state.terminal
