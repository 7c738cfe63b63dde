"""A clinic's record system as the contract's partner, and attempts to send to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.webhook.endpoint import WebhookEndpoint
from engine.model import Attempt, Body
from engine.security.secrets import Secret
from engine.security.tls import client_context
from engine.testing.channels import Arrival, Behaviour, NetworkPartner
from tests.peers.emr import BAD_REQUEST, OK, Answer, Emr, Misbehaviour, Received, busy, emr
from tests.security.handshakes import files_of

SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example key of Standard Webhooks 1.0.0; nobody uses it."""

_ANSWERS: dict[Behaviour, Answer | Misbehaviour] = {
    Behaviour.ACCEPTS: OK,
    Behaviour.REFUSES: BAD_REQUEST,
    Behaviour.BUSY: busy("7"),
    Behaviour.SILENT: Misbehaviour.SILENT,
    Behaviour.DROPS: Misbehaviour.DROP,
}


class Clinic(NetworkPartner):
    """Answers as it is told; counts what it accepted."""

    retry_after = 7.0
    secrets = (SHARED, SHARED.removeprefix("whsec_"))

    def __init__(self, server: Emr, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.tls = tls
        self.config = endpoint(f"{server.url}/hooks/appointments", sign={"standard_webhooks": Secret(SHARED)})
        self._accepted: list[Arrival] = []
        self._answer: Answer | Misbehaviour = OK
        self._present = True
        server.script = self._script

    async def become(self, behaviour: Behaviour) -> None:
        if behaviour is Behaviour.ABSENT:
            await self.server.stop()
            self._present = False
            return
        self._answer = _ANSWERS[behaviour]
        if not self._present:
            await self.server.start()
            self._present = True

    async def arrivals(self) -> Sequence[Arrival]:
        return [_arrival(each) for each in self.server.requests if each.method == "POST"]

    async def accepted(self) -> Sequence[Arrival]:
        return list(self._accepted)

    def opened(self) -> int:
        return self.server.connections

    def live(self) -> int:
        return len(self.server._tasks)

    def _script(self, received: Received) -> Answer | Misbehaviour:
        if received.method == "POST" and self._answer is OK:
            self._accepted.append(_arrival(received))
        return self._answer


def _arrival(received: Received) -> Arrival:
    return Arrival(received.headers["webhook-id"], received.body)


def endpoint(url: str, **config: Any) -> WebhookEndpoint:
    """Return an endpoint's model."""
    tls = {"tls": "engine"} if url.startswith("https:") else {}
    return WebhookEndpoint.model_validate({"webhook": url, **tls, **config})


def engine_tls(certs: Path) -> ssl.SSLContext:
    """Return what `tls: engine` stands for."""
    return client_context(files_of(certs, "engine"))


@asynccontextmanager
async def clinic(certs: Path | None = None) -> AsyncIterator[Clinic]:
    """Start a clinic; with certificates, over mutual TLS 1.3."""
    async with emr(certs, name="clinique-abc") as server:
        yield Clinic(server, engine_tls(certs) if certs else None)


def attempt(
    body: bytes = b'{"summary": "fictive"}',
    *,
    message_id: str = "01JD0000000000000001",
    timeout: float = 30.0,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Attempt:
    """Return one try."""
    return Attempt(
        delivery=1,
        message_id=message_id,
        number=1,
        endpoint="clinic-a.emr",
        body=Body.of(body),
        content_type=content_type,
        timeout=timeout,
        headers=headers or {},
    )
