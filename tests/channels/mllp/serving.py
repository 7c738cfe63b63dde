"""An MLLP listener on port 0 with a scripted intake."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from channels.mllp.inbound import MllpInbound
from channels.mllp.listener import MllpListener
from engine.config.models import HostPort
from engine.model import Certificate, Confirmation
from engine.spi import SmallState
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context
from tests.channels.door import Door, opened

LOOPBACK = HostPort("127.0.0.1", 0)


@asynccontextmanager
async def listening(
    intake: RecordingIntake | None = None,
    *,
    tls_context: ssl.SSLContext | None = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    certified: Callable[[str], bool] = lambda partner: False,
    confirm: Callable[[Confirmation], Awaitable[bool]] | None = None,
    state: SmallState | None = None,
    **config: Any,
) -> AsyncIterator[Door[MllpInbound]]:
    """Serve an `mllp` listener that is configured with `config`; cancelled on leaving."""
    counted = CountedInMemory()
    with TemporaryDirectory() as folder:
        context = channel_context(
            Path(folder), name="adt-hsj", tls=tls_context, identify=identify, counters=counted, state=state
        )
        context = dataclasses.replace(context, confirm=confirm or context.confirm, certified=certified)
        written = {"mllp": LOOPBACK, "tls": "server" if tls_context else None, **config}
        channel = MllpInbound(MllpListener.model_validate(written), context)
        async with opened(channel, counted, intake) as door:
            yield door
