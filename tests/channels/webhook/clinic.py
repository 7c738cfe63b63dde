"""A clinic's record system as the contract's partner, and attempts to send to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.webhook.endpoint import WebhookEndpoint
from engine.model import Attempt, Body
from engine.security.secrets import Secret
from engine.security.tls import client_context
from engine.testing.channels import Arrival
from tests.channels.http.partner import HttpPartner
from tests.peers.emr import BAD_REQUEST, OK, Answer, Received, emr
from tests.security.handshakes import files_of

SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example key of Standard Webhooks 1.0.0; nobody uses it."""


class Clinic(HttpPartner):
    """A clinic that is sent webhooks."""

    secrets = (SHARED, SHARED.removeprefix("whsec_"))

    def arrival(self, received: Received) -> Arrival:
        return Arrival(received.headers["webhook-id"], received.body)

    def taken(self, received: Received) -> Answer:
        return OK

    def refused(self, received: Received) -> Answer:
        return BAD_REQUEST


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
        config = endpoint(f"{server.url}/hooks/appointments", sign={"standard_webhooks": Secret(SHARED)})
        yield Clinic(server, engine_tls(certs) if certs else None, config)


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
