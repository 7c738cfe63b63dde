"""The contract of every way in, for DICOM: in the clear on loopback, and over mutual TLS 1.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.dicom.listener import DicomListener
from engine.security.tls import TlsFiles, client_context, server_context
from engine.testing.channels import InboundContract, Sender
from tests.channels.certified import Certified
from tests.channels.dicom.modality import Modality
from tests.channels.dicom.serving import LOOPBACK


class TestPlain(InboundContract):
    """A modality on the same machine."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        modality = Modality(DicomListener.model_validate({"dicom": LOOPBACK}))
        try:
            yield modality
        finally:
            await modality.close()


class TestTls(Certified, InboundContract):
    """A modality with a certificate."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        certs = self.certs
        client = client_context(
            TlsFiles(certs / "clinique-abc.pem", certs / "clinique-abc.key", certs / "ca.pem")
        )
        modality = Modality(DicomListener.model_validate({"dicom": LOOPBACK, "tls": "server"}), client=client)
        modality.tls = server_context(TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem"))
        try:
            yield modality
        finally:
            await modality.close()
