"""What a channel gets from the engine, built for a test: the machine's clock, counters and state in memory."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.clock import Clock, SystemClock
from engine.ids import IdSource
from engine.model import Certificate
from engine.spi import ChannelContext, Counters, SmallState
from engine.testing.changes import Changes


class CountedInMemory:
    """Counters that a test can read: `totals` by name and sorted labels, `observed` as a list of values."""

    def __init__(self) -> None:
        self._changes = Changes()
        self.totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.observed: dict[str, list[float]] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, tuple(sorted(labels.items())))
        self.totals[key] = self.totals.get(key, 0) + amount
        self._changes.tell()

    def total(self, name: str, **labels: str) -> float:
        """Return what a counter stands at, 0 where nothing was counted."""
        return self.totals.get((name, tuple(sorted(labels.items()))), 0)

    async def until(self, name: str, at_least: float = 1, *, seconds: float = 30, **labels: str) -> None:
        """Return once a counter stands so high; TimeoutError where it does not within `seconds`."""
        await self._changes.until(lambda: self.total(name, **labels) >= at_least, seconds=seconds)

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.observed.setdefault(name, []).append(value)


class StateInMemory:
    """A channel's small state that lives as long as the object: hand it to a second channel to play a restart."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.values.get(name)

    async def put(self, name: str, value: str) -> None:
        if len(value.encode()) > 64 * 1024:
            raise ValueError(f"the small state {name!r} holds at most 64 KiB")
        self.values[name] = value


def channel_context(
    folder: Path,
    *,
    name: str = "clinic-a.under-test",
    clock: Clock | None = None,
    state: SmallState | None = None,
    counters: Counters | None = None,
    tls: ssl.SSLContext | None = None,
    connection: Any = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    selectors: Sequence[str] = (),
    zone: str = "America/Toronto",
) -> ChannelContext:
    """Build the context of one channel; relative paths start from `folder`, the engine's own files go to `folder/var`.

    The logger is named `passerelle.channel` and propagates, so that pytest's `caplog` sees every line.
    """
    time = clock or SystemClock()
    var = folder / "var"
    var.mkdir(parents=True, exist_ok=True)
    return ChannelContext(
        name=name,
        clock=time,
        logger=logging.getLogger("passerelle.channel"),
        counters=counters or CountedInMemory(),
        state=state or StateInMemory(),
        folder=folder,
        var=var,
        new_id=IdSource(time).next,
        tls=tls,
        connection=connection,
        identify=identify,
        selectors=tuple(selectors),
        zone=zone,
    )
