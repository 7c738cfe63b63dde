"""A platform that posts events at a steady rate and remembers what it was promised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import aiohttp

from tests.journeys.house import House

SENDERS = 16


@dataclass(slots=True)
class Traffic:
    """Posts `rate` events a second over several connections until stopped; `accepted` holds the ids promised."""

    here: House
    rate: float
    accepted: set[str] = field(default_factory=set)
    refused: int = 0
    broken: int = 0
    _number: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: bool = False

    async def __aenter__(self) -> Traffic:
        self._tasks = [asyncio.create_task(self._send(SENDERS / self.rate)) for _ in range(SENDERS)]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Post nothing more, and wait for the answers that are due."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _send(self, pause: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._stopping:
            self._number += 1
            event = self.here.event(appointment=f"RDV-{self._number}")
            try:
                status, answer = await self.here.post(event)
            except aiohttp.ClientError:
                self.broken += 1
            else:
                if status == 202:
                    self.accepted.add(answer["id"])
                else:
                    self.refused += 1
            due = max(due + pause, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))  # a rate is time
