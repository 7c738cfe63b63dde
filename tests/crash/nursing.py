"""Drives a nursery: forks the engine and its verbs, and hears of their ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_FORK_SECONDS = 60.0


class NotBorn(Exception):
    """The product could not be imported."""


@dataclass(slots=True)
class Forked:
    """One child; `status` is its exit code once it ended, negative for a signal."""

    pid: int
    log: Path
    mark: int
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def status(self) -> int | None:
        return self.ended.result() if self.ended.done() else None

    def said(self) -> str:
        """Return what was logged since it was started."""
        with self.log.open("rb") as log:
            log.seek(self.mark)
            return log.read().decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a child that ended already is left alone, its end will be heard of."""
        with contextlib.suppress(ProcessLookupError):
            if not self.ended.done():
                os.kill(self.pid, number)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Nursery:
    """One nursery process; `nursery()` starts and ends it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._children: dict[int, Forked] = {}
        self._forks: asyncio.Queue[int] = asyncio.Queue()

    async def fork(self, *argv: str, log: Path, environ: Mapping[str, str] | None = None) -> Forked:
        """Start a command line in a child."""
        mark = _size(log)
        command = {"argv": argv, "environ": dict(environ or {}), "log": str(log)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(_FORK_SECONDS):
            pid = await self._forks.get()
        child = self._children[pid]
        child.log, child.mark = log, mark
        return child

    async def listen(self) -> None:
        """Hear what the nursery says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "status" in said:
                self._children[said["pid"]].ended.set_result(said["status"])
            elif "pid" in said:
                self._children[said["pid"]] = Forked(said["pid"], Path(), 0)
                self._forks.put_nowait(said["pid"])


@asynccontextmanager
async def nursery(environ: Mapping[str, str] | None = None) -> AsyncIterator[Nursery]:
    """Start a nursery, ready to fork; at the end it is ended, with every child that still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.nursery",
        "marked",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **(environ or {})},
    )
    found = Nursery(process)
    assert process.stdout is not None and process.stdin is not None
    if not await process.stdout.readline():
        raise NotBorn(f"the nursery ended with {await process.wait()}; its trace is on standard error")
    hearing = asyncio.create_task(found.listen())
    try:
        yield found
    finally:
        process.stdin.close()
        await process.wait()
        await hearing
