"""A DICOMweb listener on port 0 with a scripted intake, over images that a test puts there."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from channels.dicomweb.inbound import DicomWebInbound
from channels.dicomweb.listener import DicomWebListener
from engine.codecs.dicom.searching import instance_of
from engine.config.models import HostPort
from engine.errors import Rejected
from engine.model import Body, Certificate, Message, Receipt, StoredInstance
from engine.spi import Access, Exchange
from engine.testing.channels import CountedInMemory, RecordingIntake, channel_context

LOOPBACK = HostPort("127.0.0.1", 0)


class ReadingIntake(RecordingIntake):
    """Keeps the bytes of each instance, as the engine's store does: a spooled file is gone afterwards."""

    def __init__(self, *script: Any, **more: Any) -> None:
        super().__init__(*script, **more)
        self.contents: list[bytes] = []

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        self.contents.append(message.body.read())
        return await super().__call__(message, exchange)


class Held:
    """Images that a test put there; implements `spi.Images`, matching single values only."""

    def __init__(self, *files: bytes, results: Sequence[Mapping[str, Any]] = ()) -> None:
        self.stored = [_stored(number, content) for number, content in enumerate(files)]
        self.results = list(results)
        self.asked: list[tuple[str, dict[str, str], int, int]] = []

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        found = [
            each
            for each in self.stored
            if study in ("", each.study)
            and series in ("", each.series)
            and (not instances or each.instance in instances)
        ]
        return found[offset : offset + limit]

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        self.asked.append((level, dict(match), limit, offset))
        if "PatientComments" in match:
            raise Rejected("PatientComments: the store is not searched by this attribute")
        return self.results[offset : offset + limit]


def _stored(number: int, content: bytes) -> StoredInstance:
    says = instance_of(content)
    assert says is not None
    return StoredInstance(
        message_id=f"MESSAGE{number:013}",
        listener="images",
        partner="radiology",
        study=says.study,
        series=says.series,
        instance=says.instance,
        sop_class=says.sop_class,
        transfer_syntax=str(says.attributes["00083002"]["Value"][0]),  # type: ignore[index]  # the JSON model
        received_ms=0,
        body=Body.of(content),
        attributes=says.attributes,
    )


@dataclass(frozen=True, slots=True)
class Door:
    """A listener that serves: where, what it handed in, what it counted, and what it journalled."""

    address: str
    intake: ReadingIntake
    channel: DicomWebInbound
    counted: CountedInMemory
    folder: Path
    accesses: list[Access]

    def events(self, event: str) -> float:
        """Return how often the listener counted something."""
        return self.counted.totals.get(("channel_events", (("channel", "images"), ("event", event))), 0)

    def spooled(self) -> list[Path]:
        """Return the files that lie in the listener's folder."""
        return list((self.folder / "var" / "dicomweb" / "images").iterdir())


@asynccontextmanager
async def listening(
    intake: ReadingIntake | None = None,
    *,
    images: Held | None = None,
    tls_context: ssl.SSLContext | None = None,
    identify: Callable[[Certificate], str | None] = lambda certificate: None,
    journal: BaseException | None = None,
    **config: Any,
) -> AsyncIterator[Door]:
    """Serve a `dicomweb` listener that is configured with `config`; cancelled on leaving."""
    counted = CountedInMemory()
    accesses: list[Access] = []

    async def accessed(access: Access) -> None:
        if journal is not None:
            raise journal
        accesses.append(access)

    with TemporaryDirectory() as folder:
        context = channel_context(
            Path(folder), name="images", tls=tls_context, identify=identify, counters=counted
        )
        context = dataclasses.replace(context, images=images or Held(), accessed=accessed)
        written = {"dicomweb": LOOPBACK, "partner": "radiology", **config}
        if tls_context is not None:
            written["tls"] = "server"
        channel = DicomWebInbound(DicomWebListener.model_validate(written), context)
        script = intake or ReadingIntake()
        async with anyio.create_task_group() as group:
            address = await group.start(channel.serve, script)
            yield Door(address, script, channel, counted, Path(folder), accesses)
            group.cancel_scope.cancel()
