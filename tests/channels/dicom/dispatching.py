"""A way out to a partner, as the engine would use it: with a context, and attempts of instances."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels._dicom.endpoint import DicomEndpoint
from channels.dicom.outbound import DicomOutbound
from engine.config.models import HostPort
from engine.model import Attempt, Body, Reply
from engine.testing.channels import CountedInMemory, channel_context

MESSAGE_ID = "01JD0000000000000001"


@dataclass(frozen=True, slots=True)
class WayOut:
    """An outbound that was entered, and what it counted."""

    channel: DicomOutbound
    counted: CountedInMemory

    async def send(self, content: bytes, *, timeout: float = 30.0, message_id: str = MESSAGE_ID) -> Reply:
        """Send one instance."""
        return await self.channel.send(attempt_of(Body.of(content), timeout=timeout, message_id=message_id))

    def events(self, event: str) -> float:
        """Return how often it counted something."""
        return self.counted.total("channel_events", channel="pacs.store", event=event)

    async def until(self, event: str) -> None:
        """Return once it counted something."""
        await self.counted.until("channel_events", channel="pacs.store", event=event)


def attempt_of(body: Body, *, timeout: float = 30.0, message_id: str = MESSAGE_ID) -> Attempt:
    return Attempt(
        delivery=1,
        message_id=message_id,
        number=1,
        endpoint="pacs.store",
        body=body,
        content_type="application/dicom",
        timeout=timeout,
    )


@asynccontextmanager
async def way_out(
    folder: Path, config: DicomEndpoint, *, tls: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[WayOut]:
    """Enter a way out to an endpoint until the end of the block; `more` is what else its context holds."""
    counted = CountedInMemory()
    context = channel_context(folder, name="pacs.store", tls=tls, counters=counted)
    context = dataclasses.replace(context, **more)
    async with DicomOutbound(config, context) as channel:
        assert isinstance(channel, DicomOutbound)
        yield WayOut(channel, counted)


def endpoint(port: int, *, host: str = "127.0.0.1", **keys: Any) -> DicomEndpoint:
    """Return an endpoint on this machine."""
    return DicomEndpoint.model_validate({"dicom": HostPort(host, port), "ae_title": "STORE", **keys})
