"""A DICOM listener on port 0 with a scripted intake."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import anyio

from channels.dicom.inbound import DicomInbound
from channels.dicom.listener import DicomListener
from engine.config.models import HostPort
from engine.model import Certificate, Message, Receipt
from engine.spi import Exchange, Intake, Worklists
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context

LIMIT = 30.0
LOOPBACK = HostPort("127.0.0.1", 0)


class ReadingIntake(RecordingIntake):
    """Keeps the bytes of each instance, as the engine's store does: a spooled file is gone afterwards."""

    def __init__(self, *script: Any, **more: Any) -> None:
        super().__init__(*script, **more)
        self.contents: list[bytes] = []

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        self.contents.append(message.body.read())
        return await super().__call__(message, exchange)


@dataclass(frozen=True, slots=True)
class Door:
    """A listener that serves: where, what it handed in, what it counted, and where it spools."""

    port: int
    intake: ReadingIntake
    channel: DicomInbound
    counted: CountedInMemory
    folder: Path

    def events(self, event: str) -> float:
        """Return how often the listener counted something."""
        return self.counted.total("channel_events", channel="images", event=event)

    async def until(self, event: str, times: int = 1) -> None:
        """Return once the listener counted something so often; TimeoutError when it does not."""
        await self.counted.until("channel_events", times, seconds=LIMIT, channel="images", event=event)

    def spooled(self) -> list[Path]:
        """Return the files that lie in the listener's folder."""
        return list((self.folder / "var" / "dicom" / "images").iterdir())


@asynccontextmanager
async def listening(
    intake: ReadingIntake | None = None,
    *,
    tls_context: ssl.SSLContext | None = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    certified: Callable[[str], bool] = lambda partner: False,
    handing_in_to: Callable[[ReadingIntake], Intake] = lambda intake: intake,
    worklists: Worklists | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
    at: Path | None = None,
    **config: Any,
) -> AsyncIterator[Door]:
    """Serve a `dicom` listener that is configured with `config`; cancelled on leaving.

    `given` is what else its context holds, `at` a folder of its own, to play a restart.
    """
    counted = CountedInMemory()
    with TemporaryDirectory() as temporary:
        folder = at or Path(temporary)
        context = channel_context(folder, name="images", tls=tls_context, identify=identify, counters=counted)
        context = dataclasses.replace(context, certified=certified, worklists=worklists, **given)
        written = {"dicom": LOOPBACK, "tls": "server" if tls_context else None, **config}
        channel = DicomInbound(DicomListener.model_validate(written), context)
        script = intake or ReadingIntake()
        async with anyio.create_task_group() as group:
            address = await group.start(channel.serve, handing_in_to(script))
            yield Door(int(address.rpartition(":")[2]), script, channel, counted, folder)
            group.cancel_scope.cancel()
