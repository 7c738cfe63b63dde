"""The API over TCP: a token says who calls and what it may do, TLS guards it off loopback."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from engine.api.server import Bound, serve_api
from engine.config.places import HostPort
from engine.config.settings import ApiToken
from engine.errors import PasserelleError
from engine.security.secrets import Secret
from engine.security.tls import client_context, server_context
from tests.api.project import running_project
from tests.security.handshakes import files_of

TOKENS = {
    role: ApiToken(secret=Secret(f"{role}-token"), role=role)
    for role in ("viewer", "operator", "phi-reader", "editor", "security-admin", "auditor", "privacy-officer")
}
ANYWHERE = HostPort("127.0.0.1", 0)


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[tuple[Bound, str]]:
    """Run an engine with a second API on TCP; give where it listens, and the id of a message that is stored."""
    async with running_project(folder) as (engine, speaker), anyio.create_task_group() as group:
        message = await speaker.accept("1")
        serve = partial(serve_api, engine.control, socket=folder / "second.sock", tokens=TOKENS, **options)
        bound: Bound = await group.start(serve)
        yield bound, message
        group.cancel_scope.cancel()


async def call(
    bound: Bound, role: str, target: str, *, method: str = "GET", body: Mapping[str, Any] | None = None
) -> tuple[int, Any]:
    """Return status and JSON of a call with a role's token."""
    headers = {"Authorization": f"Bearer {role}-token"} if role else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"http://{bound.tcp}/api/v1/{target}", json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize("role", ["", "somebody"])
async def test_without_a_known_token_nothing_is_told(tmp_path: Path, role: str) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, _):
        status, problem = await call(bound, role, "status")
    assert (status, problem["type"]) == (401, "urn:passerelle:problem:unauthorized")


@pytest.mark.parametrize("role", sorted(TOKENS))
async def test_every_role_sees_metadata(tmp_path: Path, role: str) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, _):
        status, view = await call(bound, role, "status")
    assert (status, view["ready"]) == (200, True)


_PAUSE = {"subject": "route", "name": "notes"}


@pytest.mark.parametrize(
    ("role", "target", "body", "allowed"),
    [
        ("viewer", "pause", _PAUSE, False),
        ("operator", "pause", _PAUSE, True),
        ("operator", "reload", {}, False),
        ("editor", "reload", {}, True),
        ("editor", "pause", _PAUSE, False),
        ("security-admin", "purge", {"before": "1h"}, False),
        ("privacy-officer", "purge", {"before": "1h"}, True),
        ("operator", "backup", {"folder": "/nowhere"}, False),
        ("auditor", "resend", {"partner": "clinic"}, False),
    ],
)
async def test_a_role_may_do_what_it_is_for_and_no_more(
    tmp_path: Path, role: str, target: str, body: dict[str, str], allowed: bool
) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, _):
        status, _view = await call(bound, role, target, method="POST", body=body)
    assert status == (200 if allowed else 403)


@pytest.mark.parametrize("role", sorted(set(TOKENS) - {"phi-reader"}))
async def test_only_a_phi_reader_sees_content(tmp_path: Path, role: str) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, message):
        target = f"messages/{message}?content=true&purpose=exercise"
        refused, _ = await call(bound, role, target)
        given, view = await call(bound, "phi-reader", target)
    assert (refused, given) == (403, 200)
    assert '"to": "box"' in view["content"]["raw"]


async def test_content_is_given_for_a_purpose_only_and_journalled(tmp_path: Path) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, message):
        status, problem = await call(bound, "phi-reader", f"messages/{message}?content=true")
        await call(bound, "phi-reader", f"messages/{message}?content=true&purpose=exercise")
        _, journal = await call(bound, "auditor", "journal")
    viewed = [row for row in journal["rows"] if row["action"] == "phi-viewed"]
    assert (status, "purpose" in problem["detail"]) == (400, True)
    assert [(row["actor"], row["detail"]) for row in viewed] == [("token:phi-reader", f"{message} exercise")]


async def test_metrics_over_tcp_need_a_token_and_health_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, _), aiohttp.ClientSession() as session:
        async with session.get(f"http://{bound.tcp}/metrics") as metrics:
            assert metrics.status == 401
        async with session.get(f"http://{bound.tcp}/livez") as live:
            assert live.status == 200


async def test_the_metrics_address_tells_health_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics=ANYWHERE) as (bound, _), aiohttp.ClientSession() as session:
        statuses = []
        for target in ("/metrics", "/readyz", "/api/v1/status"):
            async with session.get(f"http://{bound.metrics}{target}") as response:
                statuses.append(response.status)
    assert statuses == [200, 200, 404]


async def test_a_token_never_travels_in_clear_off_loopback(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, _):
        with pytest.raises(PasserelleError, match="needs `tls`"):
            await serve_api(engine.control, socket=tmp_path / "second.sock", tcp=HostPort("192.0.2.1", 8444))


async def test_the_api_speaks_tls(tmp_path: Path, dev_certs: Path) -> None:
    files = files_of(dev_certs, "engine")
    headers = {"Authorization": f"Basic {base64.b64encode(b'x:y').decode()}"}
    async with (
        serving(tmp_path, tcp=ANYWHERE, tls=server_context(files)) as (bound, _),
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"https://{bound.tcp}/api/v1/status", ssl=client_context(files)) as response,
    ):
        assert response.status == 401


async def test_an_address_in_use_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, tcp=ANYWHERE) as (bound, _), running_project(tmp_path / "b") as (engine, _):
        assert bound.tcp is not None
        host, _, port = bound.tcp.rpartition(":")
        with pytest.raises(PasserelleError, match="cannot listen"):
            await serve_api(engine.control, socket=tmp_path / "third.sock", tcp=HostPort(host, int(port)))
