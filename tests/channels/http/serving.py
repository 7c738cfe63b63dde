"""A REST listener on port 0 with a scripted intake, for what all HTTP listeners share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from channels._http.listener import HttpTimeouts
from channels.rest import RestInbound, RestListener
from engine.config.models import HostPort
from engine.model import Certificate, Confirmation
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context
from tests.channels.door import Door, opened

DOOR = "POST /v1/appointments"
LOOPBACK = HostPort("127.0.0.1", 0)


@asynccontextmanager
async def listening(
    intake: RecordingIntake | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    selectors: Sequence[str] = (DOOR,),
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    confirm: Callable[[Confirmation], Awaitable[bool]] | None = None,
    **config: Any,
) -> AsyncIterator[Door[RestInbound]]:
    """Serve a `rest` listener that is configured with `config`; cancelled on leaving."""
    counted = CountedInMemory()
    with TemporaryDirectory() as folder:
        context = channel_context(Path(folder), name="public", tls=tls, identify=identify, counters=counted)
        # as it is given: a list may change while it is served
        context = replace(context, selectors=selectors, confirm=confirm or context.confirm)
        listener = RestListener.model_validate({"rest": LOOPBACK, "tls": "server" if tls else None, **config})
        channel = RestInbound(listener, context)
        async with opened(channel, counted, intake) as door:
            yield door


def timeouts(*, head: float = 10, body: float = 10, idle: float = 10) -> HttpTimeouts:
    """Return timeouts in seconds."""
    return HttpTimeouts(
        head=timedelta(seconds=head), body=timedelta(seconds=body), idle=timedelta(seconds=idle)
    )
