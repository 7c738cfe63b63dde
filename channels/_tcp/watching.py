"""The watch over connections that are behind their time."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import Clock

_SELDOM, _OFTEN = 1.0, 0.02


async def watch(look: Callable[[float], None], clock: Clock, *, shortest: float) -> None:
    """Call `look` with the time, in seconds that never go backwards, until cancelled.

    It is called four times in the shortest bound that a connection has, between once and 50 times a second.
    """
    while True:
        await clock.sleep(min(_SELDOM, max(_OFTEN, shortest / 4)))
        look(clock.monotonic())
