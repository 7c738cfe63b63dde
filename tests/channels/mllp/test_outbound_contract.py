"""The contract of every way out, for MLLP: on loopback, and over mutual TLS 1.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.mllp.endpoint import MllpEndpoint
from engine.config.models import HostPort
from engine.security.tls import client_context, server_context
from engine.testing.channels import NetworkOutboundContract, NetworkPartner
from engine.testing.peers_mllp import mllp_peer
from tests.channels.certified import Certified
from tests.channels.mllp.wire import message
from tests.security.handshakes import files_of


class MllpContract(NetworkOutboundContract):
    """What the attempts of this suite carry."""

    def content(self, text: str) -> tuple[bytes, str]:
        control_id = text.rpartition(" ")[2]
        body = message(control_id, body=f"PID|1||10006579||{text}\r")
        return body, "x-application/hl7-v2+er7"


class TestPlain(MllpContract):
    """A partner on loopback."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with mllp_peer() as peer:
            peer.config = MllpEndpoint.model_validate({"mllp": HostPort("127.0.0.1", peer.port)})
            yield peer


class TestMutualTls(Certified, MllpContract):
    """A partner that asks for our certificate."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        certs = self.certs
        server = server_context(files_of(certs, "clinique-abc"))
        async with mllp_peer(server) as peer:
            peer.config = MllpEndpoint.model_validate(
                {"mllp": HostPort("localhost", peer.port), "tls": "engine"}
            )
            peer.tls = client_context(files_of(certs, "engine"))
            yield peer
