"""The contract of every way out, for STOW-RS: in the clear on loopback, and over mutual TLS 1.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.testing.channels import NetworkOutboundContract, NetworkPartner
from tests.channels.certified import Certified
from tests.channels.dicomweb.archive import archive, content_of


class TestPlain(NetworkOutboundContract):
    """An archive on the same machine."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with archive() as partner:
            yield partner

    def content(self, text: str) -> tuple[bytes, str]:
        return content_of(text), "application/dicom"


class TestTls(Certified, TestPlain):
    """An archive with a certificate."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with archive(self.certs) as partner:
            yield partner
