"""Waiting for what a double has seen: whoever changes it tells, whoever waits looks again; nobody sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Tells those who wait on an event loop that something changed."""

    def __init__(self) -> None:
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def tell(self) -> None:
        """Say that something changed; from any thread."""
        for loop, changed in tuple(self._waiting):
            loop.call_soon_threadsafe(changed.set)

    async def until(self, holds: Callable[[], bool], *, seconds: float = 30) -> None:
        """Return once `holds()`, which is asked now and after each change; TimeoutError after `seconds`."""
        changed = asyncio.Event()
        mine = (asyncio.get_running_loop(), changed)
        self._waiting.add(mine)
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    await changed.wait()
                    changed.clear()
        finally:
            self._waiting.discard(mine)
