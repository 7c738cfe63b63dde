"""The contract of every way out, for DICOM: on loopback, and over mutual TLS 1.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.security.tls import TlsFiles, client_context, server_context
from engine.testing.channels import NetworkOutboundContract, NetworkPartner
from tests.channels.certified import Certified
from tests.channels.dicom.archive import archive, uid_of
from tests.channels.dicom.instances import part10


class DicomContract(NetworkOutboundContract):
    """What the attempts of this suite carry."""

    def content(self, text: str) -> tuple[bytes, str]:
        return part10(uid_of(text.rpartition(" ")[2]), comments=text), "application/dicom"


class TestPlain(DicomContract):
    """A partner on loopback."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with archive() as peer:
            yield peer


class TestMutualTls(Certified, DicomContract):
    """A partner that asks for our certificate."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        certs = self.certs
        server = server_context(
            TlsFiles(certs / "clinique-abc.pem", certs / "clinique-abc.key", certs / "ca.pem")
        )
        async with archive(server) as peer:
            peer.tls = client_context(TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem"))
            yield peer
