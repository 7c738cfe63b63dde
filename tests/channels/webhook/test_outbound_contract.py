"""The contract of every way out, without TLS on loopback and over mutual TLS 1.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.testing.channels import NetworkOutboundContract, NetworkPartner
from tests.channels.certified import Certified
from tests.channels.webhook.clinic import clinic


class TestPlain(NetworkOutboundContract):
    """A clinic on loopback."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with clinic() as partner:
            yield partner


class TestMutualTls(Certified, NetworkOutboundContract):
    """A clinic that asks for our certificate."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with clinic(self.certs) as partner:
            yield partner
