"""Simulated clinics for `passerelle dev`: receivers over mutual TLS 1.3 that check signatures as a real one must."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from engine.clock import Clock, SystemClock
from engine.security.secrets import load_secret
from engine.security.signing import BadSignature, WebhookKey, load_key, verify
from engine.security.tls import TlsFiles, server_context


@dataclass(frozen=True, slots=True)
class SimulatedClinic:
    """One clinic: where it listens (`https://host:port/path`), its certificate name, and what it answers.

    `answer` is an HTTP status; None means that its server is absent.
    """

    name: str
    url: str
    answer: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a clinic received: its name, the webhook-id, and the status that it answered."""

    clinic: str
    message_id: str
    status: int


Listen = Callable[[Heard], None]


@asynccontextmanager
async def simulated_clinics(
    clinics: Sequence[SimulatedClinic], certificates: Path, heard: Listen, *, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Run the clinics that are present until the block ends; certificates are `<name>.pem`, `.key` and `.whsec`."""
    async with AsyncExitStack() as stack:
        for clinic in clinics:
            if clinic.answer is not None:
                await stack.enter_async_context(_serve(clinic, certificates, heard, clock or SystemClock()))
        yield


@asynccontextmanager
async def _serve(
    clinic: SimulatedClinic, certificates: Path, heard: Listen, clock: Clock
) -> AsyncIterator[None]:
    key = load_key(load_secret(certificates / f"{clinic.name}.whsec"))
    place = urlsplit(clinic.url)
    app = web.Application()
    app.router.add_post(place.path or "/", _handler(clinic, key, heard, clock))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, place.hostname, place.port, ssl_context=_tls(clinic.name, certificates))
        await site.start()
        yield
    finally:
        await runner.cleanup()


def _tls(name: str, certificates: Path) -> ssl.SSLContext:
    return server_context(
        TlsFiles(
            cert=certificates / f"{name}.pem", key=certificates / f"{name}.key", ca=certificates / "ca.pem"
        )
    )


def _handler(
    clinic: SimulatedClinic, key: WebhookKey, heard: Listen, clock: Clock
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def receive(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            found = verify([key], request.headers, body, now=clock.now_ms() / 1000)
        except BadSignature as error:
            heard(Heard(clinic.name, "", 401))
            return web.json_response({"title": str(error)}, status=401)
        status = clinic.answer or 503
        heard(Heard(clinic.name, found.message_id, status))
        titles = {200: "received", 400: "this clinic refuses every notification"}
        return web.json_response({"title": titles.get(status, "answered")}, status=status)

    return receive
