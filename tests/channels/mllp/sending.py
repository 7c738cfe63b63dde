"""An MLLP endpoint that sends to a scripted partner, and attempts to send."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from channels.mllp.endpoint import MllpEndpoint
from channels.mllp.outbound import MllpOutbound
from engine.config.models import HostPort
from engine.model import Attempt, Body, Certificate, Confirmation
from engine.testing.channels import CountedInMemory, channel_context


class Confirmations:
    """What the engine was told of later; it waits for the messages in `awaited`."""

    def __init__(self, *awaited: str) -> None:
        self.awaited = set(awaited)
        self.received: list[Confirmation] = []

    async def __call__(self, confirmation: Confirmation) -> bool:
        self.received.append(confirmation)
        return confirmation.reference in self.awaited


@asynccontextmanager
async def endpoint(
    port: int,
    *,
    confirm: Callable[[Confirmation], Awaitable[bool]] | None = None,
    tls_context: ssl.SSLContext | None = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    **config: Any,
) -> AsyncIterator[MllpOutbound]:
    """Enter the endpoint `ris.adt` on 127.0.0.1, configured with `config`."""
    with TemporaryDirectory() as folder:
        context = channel_context(
            Path(folder), name="ris.adt", tls=tls_context, identify=identify, counters=CountedInMemory()
        )
        context = dataclasses.replace(context, confirm=confirm or Confirmations())
        written = {"mllp": HostPort("127.0.0.1", port), "tls": "engine" if tls_context else None, **config}
        async with MllpOutbound(MllpEndpoint.model_validate(written), context) as channel:
            yield channel


def events(channel: MllpOutbound, event: str) -> float:
    """Return how often the endpoint counted something."""
    counted = channel.context.counters
    assert isinstance(counted, CountedInMemory)
    return counted.totals.get(("channel_events", (("channel", "ris.adt"), ("event", event))), 0)


def attempt(content: bytes, *, timeout: float = 30.0) -> Attempt:
    """Return one try."""
    return Attempt(
        delivery=1,
        message_id="01JD0000000000000001",
        number=1,
        endpoint="ris.adt",
        body=Body.of(content),
        content_type="x-application/hl7-v2+er7",
        timeout=timeout,
    )
