"""An MLLP listener on port 0 with a scripted intake."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from channels.mllp.inbound import MllpInbound
from channels.mllp.listener import MllpListener
from engine.config.models import HostPort
from engine.model import Certificate, Confirmation
from engine.spi import SmallState
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context

LIMIT = 30.0
LOOPBACK = HostPort("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Door:
    """A listener that serves: where, what it handed in, and what it counted."""

    address: str
    intake: RecordingIntake
    channel: MllpInbound
    counted: CountedInMemory

    def events(self, event: str) -> float:
        """Return how often the listener counted something."""
        return self.counted.totals.get(("channel_events", (("channel", "adt-hsj"), ("event", event))), 0)

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
    tls_context: ssl.SSLContext | None = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    certified: Callable[[str], bool] = lambda partner: False,
    confirm: Callable[[Confirmation], Awaitable[bool]] = nobody_waits,
    state: SmallState | None = None,
    **config: Any,
) -> AsyncIterator[Door]:
    """Serve an `mllp` listener that is configured with `config`; cancelled on leaving."""
    counted = CountedInMemory()
    with TemporaryDirectory() as folder:
        context = channel_context(
            Path(folder), name="adt-hsj", tls=tls_context, identify=identify, counters=counted, state=state
        )
        context = dataclasses.replace(context, confirm=confirm, certified=certified)
        written = {"mllp": LOOPBACK, "tls": "server" if tls_context else None, **config}
        channel = MllpInbound(MllpListener.model_validate(written), context)
        script = intake or RecordingIntake()
        async with anyio.create_task_group() as group:
            address = await group.start(channel.serve, script)
            yield Door(address, script, channel, counted)
            group.cancel_scope.cancel()
