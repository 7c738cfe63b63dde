"""Tasks that belong to no message: made when there is work, kept for a while of idleness in small number, then ended.

A worker is shielded: cancelling its task group does not tear an outcome away between the send and its settlement.
`abort` ends it instead, after the last settlements had a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from anyio import CancelScope, current_time
from anyio.abc import TaskGroup

Job: TypeAlias = "Callable[[], Awaitable[Job | None]]"
"""Work for one worker; returns what the same worker does next, None when nothing is left."""

IDLE = 32
"""Workers that wait for work instead of ending."""

LAST_MOMENT = 5.0
"""Seconds that an abort leaves to settlements that are under way."""


class Workers:
    """The workers of one dispatcher. `busy` counts jobs that were handed out and have not ended."""

    def __init__(self, rested: Callable[[], None]) -> None:
        self._rested = rested
        self._group: TaskGroup | None = None
        self._idle: list[asyncio.Future[Job | None]] = []
        self._scopes: set[CancelScope] = set()
        self._stopping = False
        self.busy = 0

    def start(self, group: TaskGroup) -> None:
        """Give the task group in which workers run."""
        self._group = group

    def hand(self, job: Job) -> None:
        """Let an idle worker, or a new one, do the job."""
        self.busy += 1
        while self._idle:
            resting = self._idle.pop()
            if not resting.done():
                resting.set_result(job)
                return
        assert self._group is not None, "start() comes first"
        self._group.start_soon(self._work, job)

    def stop(self) -> None:
        """Let idle workers end; busy ones end after their job."""
        self._stopping = True
        for resting in self._idle:
            if not resting.done():
                resting.set_result(None)
        self._idle.clear()

    def abort(self) -> None:
        """End all of them, busy ones within `LAST_MOMENT`."""
        self.stop()
        for scope in self._scopes:
            scope.deadline = current_time() + LAST_MOMENT

    async def _work(self, first: Job) -> None:
        with CancelScope(shield=True) as scope:
            self._scopes.add(scope)
            try:
                job: Job | None = first
                while job is not None:
                    while job is not None:
                        job = await job()
                    self.busy -= 1
                    if not self.busy:
                        self._rested()
                    job = await self._rest()
            finally:
                self._scopes.discard(scope)

    async def _rest(self) -> Job | None:
        if self._stopping or len(self._idle) >= IDLE:
            return None
        resting: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
        self._idle.append(resting)
        return await resting
