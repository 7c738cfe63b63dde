"""A REST listener on port 0 with a scripted intake, for what all HTTP listeners share."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from channels._http.listener import HttpTimeouts
from channels.rest import RestInbound, RestListener
from engine.config.models import HostPort
from engine.model import Certificate, Confirmation
from engine.spi import Inbound
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context

LIMIT = 30.0
DOOR = "POST /v1/appointments"
LOOPBACK = HostPort("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Door:
    """A listener that serves: where, what it handed in, and what it counted."""

    address: str
    intake: RecordingIntake
    channel: Inbound
    counted: CountedInMemory

    def events(self, event: str) -> float:
        """Return how often the listener counted something."""
        return self.counted.totals.get(("channel_events", (("channel", "public"), ("event", event))), 0)

    async def until(self, event: str) -> None:
        """Return once the listener counted something; TimeoutError when it does not."""
        async with asyncio.timeout(LIMIT):
            while not self.events(event):  # noqa: ASYNC110  counters tell nobody that they moved
                await asyncio.sleep(0.001)


async def nobody_waits(confirmation: Confirmation) -> bool:
    """Stand in for an engine that waits for no confirmation."""
    return False


@asynccontextmanager
async def listening(
    intake: RecordingIntake | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    selectors: Sequence[str] = (DOOR,),
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    confirm: Callable[[Confirmation], Awaitable[bool]] = nobody_waits,
    **config: Any,
) -> AsyncIterator[Door]:
    """Serve a `rest` listener that is configured with `config`; cancelled on leaving."""
    counted = CountedInMemory()
    with TemporaryDirectory() as folder:
        context = channel_context(Path(folder), name="public", tls=tls, identify=identify, counters=counted)
        context = replace(
            context, selectors=selectors, confirm=confirm
        )  # as it is given: a list may change while it is served
        listener = RestListener.model_validate({"rest": LOOPBACK, "tls": "server" if tls else None, **config})
        channel = RestInbound(listener, context)
        script = intake or RecordingIntake()
        async with anyio.create_task_group() as group:
            address = await group.start(channel.serve, script)
            yield Door(address, script, channel, counted)
            group.cancel_scope.cancel()


def timeouts(*, head: float = 10, body: float = 10, idle: float = 10) -> HttpTimeouts:
    """Return timeouts in seconds."""
    return HttpTimeouts(
        head=timedelta(seconds=head), body=timedelta(seconds=body), idle=timedelta(seconds=idle)
    )
