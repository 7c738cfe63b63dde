"""The sending halves of all endpoints: entered on first use, one holder task each, closed when idle or removed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

from anyio import CancelScope, Event
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.errors import FATAL, Transient
from engine.spi import Counters, Outbound

IDLE = 300.0
"""Seconds without a send after which an outbound is closed; its next send opens it anew."""

MakeOutbound = Callable[[str], Outbound]
"""Builds the outbound of `partner.endpoint` from the current configuration."""

_log = logging.getLogger(__name__)


class Line:
    """An entered outbound and how many sends use it; `with` around each send keeps it open."""

    __slots__ = ("_clock", "ended", "name", "outbound", "released", "retired", "used_at", "users")

    def __init__(self, name: str, outbound: Outbound, clock: Clock) -> None:
        self.name = name
        self.outbound = outbound
        self._clock = clock
        self.users = 0
        self.used_at = clock.monotonic()
        self.retired = False
        self.released = Event()
        self.ended = Event()

    def __enter__(self) -> None:
        self.users += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.users -= 1
        self.used_at = self._clock.monotonic()
        if self.retired and not self.users:
            self.released.set()

    def retire(self) -> None:
        """Close it once nobody sends any more."""
        self.retired = True
        if not self.users:
            self.released.set()


class Outbounds:
    """All lines by endpoint. A line that breaks is dropped alone; the next send opens another."""

    def __init__(self, make: MakeOutbound, clock: Clock, counters: Counters, *, idle: float = IDLE) -> None:
        self._make = make
        self._clock = clock
        self._counters = counters
        self._idle = idle
        self._group: TaskGroup | None = None
        self._lines: dict[str, Line] = {}
        self._opening: dict[str, Event] = {}
        self._held: set[Line] = set()
        self._sweeping = CancelScope()

    def start(self, group: TaskGroup) -> None:
        """Give the task group that holder tasks run in."""
        self._group = group
        group.start_soon(self._close_idle)

    def ready(self, name: str) -> Line | None:
        """Return the line when it is open."""
        return self._lines.get(name)

    async def open(self, name: str) -> Line:
        """Return the line, entering its outbound first where needed; concurrent callers share one.

        Raises:
            Transient: it cannot be entered now, or the engine stops.
            whatever else making or entering it raised.
        """
        while (opening := self._opening.get(name)) is not None:
            await opening.wait()
        line = self._lines.get(name)
        if line is not None:
            return line
        if self._group is None:
            raise Transient("no sending before the start or after the stop", code="stopped")
        self._opening[name] = Event()
        try:
            line = Line(name, self._make(name), self._clock)
            await self._group.start(self._hold, line)
            self._lines[name] = line
            return line
        finally:
            self._opening.pop(name).set()

    def replace(self, name: str) -> None:
        """Let the next send open the endpoint anew, as configured then; sends that run end on the old line."""
        line = self._lines.pop(name, None)
        if line is not None:
            line.retire()

    def names(self) -> tuple[str, ...]:
        """Return the endpoints whose line is open."""
        return tuple(self._lines)

    async def close(self) -> None:
        """Close every line; the dispatcher has drained before. Call it while the task group still runs."""
        self._group = None
        self._sweeping.cancel()
        for name in list(self._lines):
            self.replace(name)
        for line in list(self._held):
            await line.ended.wait()

    async def _hold(self, line: Line, *, task_status: TaskStatus[None]) -> None:
        """Enter, wait and leave in one task, as task groups inside a channel demand."""
        self._held.add(line)
        entered = False
        try:
            async with line.outbound:
                entered = True
                task_status.started()
                await line.released.wait()
        except FATAL:
            raise
        except Exception as error:
            if not entered:
                raise
            self._counters.count("channel_restarts", channel=line.name)
            _log.error(
                "an outbound channel broke; the next send opens it anew",
                exc_info=error,
                extra={"action": "channel", "endpoint": line.name},
            )
        finally:
            if self._lines.get(line.name) is line:
                del self._lines[line.name]
            self._held.discard(line)
            line.ended.set()

    async def _close_idle(self) -> None:
        with self._sweeping:
            while True:
                await self._clock.sleep(self._idle / 2)
                long_ago = self._clock.monotonic() - self._idle
                for line in list(self._lines.values()):
                    if not line.users and line.used_at <= long_ago:
                        self.replace(line.name)
