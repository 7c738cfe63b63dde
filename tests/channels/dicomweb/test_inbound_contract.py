"""The contract of every way in, for STOW-RS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.dicomweb.listener import DicomWebListener
from engine.testing.channels import InboundContract, Sender
from tests.channels.dicomweb.instances import instance, related, stow
from tests.channels.dicomweb.serving import LOOPBACK
from tests.channels.http.posting import Poster


class Archive(Poster):
    """An archive that stores one instance per request."""

    async def offer(self) -> str:
        self._count += 1
        control_id = f"2.25.77{self._count:05}"
        await self.offer_again(control_id)
        return control_id

    def message(self, control_id: str) -> bytes:
        return stow(related(instance(control_id)))


class TestDicomWeb(InboundContract):
    """DICOMweb keeps what every listener promises."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        archive = Archive(DicomWebListener.model_validate({"dicomweb": LOOPBACK, "partner": "radiology"}))
        try:
            yield archive
        finally:
            await archive.close()
