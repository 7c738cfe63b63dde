"""An endpoint that asks an archive, its question as a message, and files to put into the archive."""

from __future__ import annotations

import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from channels.dicom.inbound import DicomInbound
from channels.dicom.listener import DicomListener
from channels.dicom_query.endpoint import DicomQueryEndpoint
from channels.dicom_query.outbound import DicomQueryOutbound
from engine.config.models import HostPort
from engine.errors import NotFound
from engine.model import Attempt, Body, Certificate, Reply
from engine.spi import Access, ChannelContext
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context
from tests.channels.dicom.serving import ReadingIntake
from tests.channels.dicomweb.instances import instance


@dataclass(frozen=True, slots=True)
class Way:
    """An endpoint that is open, where it hands in what is brought, and what it counts."""

    channel: DicomQueryOutbound
    intake: ReadingIntake
    counted: CountedInMemory

    async def ask(self, *, timeout: float = 30.0, **question: Any) -> Any:
        """Ask, and return the answer's body."""
        return json.loads((await self.reply(timeout=timeout, **question)).body)

    async def reply(self, *, timeout: float = 30.0, **question: Any) -> Reply:
        """Ask, and return the answer."""
        return await self.channel.send(attempt(json.dumps(question).encode(), timeout=timeout))


def attempt(body: bytes, *, timeout: float = 30.0) -> Attempt:
    """Return one try."""
    return Attempt(
        delivery=1,
        message_id="01JD0000000000000001",
        number=1,
        endpoint="radiology.archive",
        body=Body.of(body),
        content_type="application/json",
        timeout=timeout,
    )


def endpoint(
    port: int, *, ae_title: str = "ARCHIVE", host: str = "127.0.0.1", **config: Any
) -> DicomQueryEndpoint:
    """Return an endpoint's model."""
    address = HostPort(host, port)
    return DicomQueryEndpoint.model_validate({"dicom_query": address, "ae_title": ae_title, **config})


@asynccontextmanager
async def asking(
    folder: Path,
    config: DicomQueryEndpoint,
    intake: ReadingIntake | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Way]:
    """Open an endpoint; what it brings goes to a scripted intake."""
    counted, script = CountedInMemory(), intake or ReadingIntake()
    context = channel_context(folder, name="radiology.archive", counters=counted, tls=tls)
    context = dataclasses.replace(context, intake=lambda listener: script)
    async with DicomQueryOutbound(config, context) as channel:
        yield Way(channel, script, counted)


@dataclass(frozen=True, slots=True)
class Relaying:
    """A listener that relays queries: where, what it journalled, and what it counted."""

    port: int
    accesses: list[Access]
    counted: CountedInMemory

    async def until(self, event: str) -> None:
        """Return once the listener counted something."""
        await self.counted.until("channel_events", channel="door", event=event)


@dataclass(frozen=True, slots=True)
class Secured:
    """Both sides of a relay over TLS: that of its callers, whom their certificates name, and that of its archive."""

    door: ssl.SSLContext
    identify: Callable[[Certificate], str | None]
    archive: ssl.SSLContext | None = None


@asynccontextmanager
async def relaying(
    folder: Path, config: Any, *, secured: Secured | None = None, **listener: Any
) -> AsyncIterator[Relaying]:
    """Serve a listener that answers queries from the archive of an endpoint's model; cancelled on leaving."""
    accesses: list[Access] = []

    async def accessed(access: Access) -> None:
        accesses.append(access)

    def reach(name: str) -> tuple[Any, ChannelContext]:
        if config is None:
            raise NotFound(f"there is no endpoint {name} any more")
        return config, channel_context(folder, name=name, tls=secured.archive if secured else None)

    counted = CountedInMemory()
    context = channel_context(
        folder,
        name="door",
        counters=counted,
        tls=secured.door if secured else None,
        identify=secured.identify if secured else lambda certificate: None,
    )
    context = dataclasses.replace(context, reach=reach, accessed=accessed)
    tls = "server" if secured else None
    written = {"dicom": HostPort("127.0.0.1", 0), "relay": "radiology.archive", "tls": tls, **listener}
    channel = DicomInbound(DicomListener.model_validate(written), context)
    async with anyio.create_task_group() as group:
        address = await group.start(channel.serve, RecordingIntake())
        yield Relaying(int(address.rpartition(":")[2]), accesses, counted)
        group.cancel_scope.cancel()


def written(folder: Path, count: int, *, study: str = "2.25.100", name: str = "") -> list[Path]:
    """Write made-up instances of one study, and return their paths."""
    paths = []
    for number in range(1, count + 1):
        path = folder / f"{study}-{number}.dcm"
        path.write_bytes(instance(f"{study}.{number}", study=study, series=f"{study}.900", name=name))
        paths.append(path)
    return paths
