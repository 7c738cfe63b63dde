"""The API on a running engine's unix socket: who calls is known, what fails is a problem, streams flow."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from anyio.to_thread import run_sync

from engine.api.calls import ROLES
from engine.api.problems import BadCall
from engine.cli.wire import LocalSocket, Unreachable, Wire
from engine.errors import Conflict, NotFound
from tests.api.project import running_project


async def fetch(path: Path, target: str) -> tuple[int, str, str]:
    """Return status, content type and text of a GET over the socket."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get(f"http://engine{target}") as response,
    ):
        return response.status, response.content_type, await response.text()


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    async with running_project(tmp_path):
        mode = stat.S_IMODE((tmp_path / "var" / "passerelle.sock").stat().st_mode)
    assert mode == 0o600


async def test_the_socket_goes_with_the_engine(tmp_path: Path) -> None:
    async with running_project(tmp_path):
        pass
    assert not (tmp_path / "var" / "passerelle.sock").exists()


async def test_a_stale_socket_of_a_killed_engine_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "var" / "passerelle.sock"))
    async with running_project(tmp_path) as (_, speaker):
        assert (await speaker.get("status"))["ready"] is True


async def test_a_folder_deeper_than_a_socket_address_serves_too(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with running_project(deep) as (_, speaker):
        assert (await speaker.get("status"))["running"] is True


async def test_who_acted_is_the_user_of_the_other_process(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.post("pause", subject="route", name="notes", reason="exercise")
        rows = (await speaker.get("journal"))["rows"]
    paused = next(row for row in rows if row["action"] == "pause")
    assert paused["actor"].startswith(f"uid:{os.getuid()}")


async def test_the_reason_of_an_operation_is_kept(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.post("pause", subject="route", name="notes", reason="exercise")
        rows = (await speaker.get("journal"))["rows"]
    assert any(row["action"] == "reason" and "exercise" in row["detail"] for row in rows)


@pytest.mark.parametrize(
    ("method", "path", "query", "error"),
    [
        ("GET", "nothing-here", {}, NotFound),
        ("GET", "messages/NO-SUCH-ID", {}, NotFound),
        ("GET", "messages", {"limit": "many"}, BadCall),
        ("GET", "messages", {"key": "appointment"}, BadCall),
        ("GET", "messages", {"state": "asleep"}, BadCall),
        ("GET", "deliveries", {"disposition": "eaten"}, BadCall),
        ("GET", "messages", {"since": "yesterday"}, BadCall),
        ("GET", "graph", {"form": "oil"}, BadCall),
        ("POST", "dead/999/release", {}, NotFound),
        ("POST", "rollback", {}, BadCall),
    ],
)
async def test_what_fails_arrives_as_the_error_it_is(
    tmp_path: Path, method: str, path: str, query: dict[str, str], error: type[Exception]
) -> None:
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(error):
            await run_sync(speaker.wire.call, method, path, query if method == "GET" else None, {})


async def test_a_misspelt_parameter_is_told(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(BadCall, match='did you mean "endpoint"'):
            await speaker.get("messages", endpiont="clinic.box")


async def test_a_problem_has_the_shape_of_rfc_9457(tmp_path: Path) -> None:
    async with running_project(tmp_path):
        status, kind, text = await fetch(tmp_path / "var" / "passerelle.sock", "/api/v1/messages/NONE")
    problem = json.loads(text)
    assert (status, kind) == (404, "application/problem+json")
    assert problem["type"] == "urn:passerelle:problem:not-found"
    assert {"title", "status", "detail"} <= problem.keys()


async def test_a_body_that_is_no_json_is_told(tmp_path: Path) -> None:
    async with running_project(tmp_path):
        connector = aiohttp.UnixConnector(str(tmp_path / "var" / "passerelle.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://engine/api/v1/pause", data=b"name=notes") as response,
        ):
            assert response.status == 400
            assert "no JSON" in (await response.json(content_type=None))["detail"]


async def test_following_gives_what_happens_from_now_on(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("before")
        rows = speaker.wire.stream("tail")
        first: asyncio.Task[Any] = asyncio.create_task(run_sync(next, rows))
        async with asyncio.timeout(30):
            while not first.done():
                await speaker.put("after")
                await asyncio.wait([first], timeout=0.2)
        row = first.result()
        await run_sync(rows.close)
    assert row["action"] in ("inject", "accept", "settle", "duplicate")
    assert row["sequence"] > 3


async def test_a_stream_ends_with_the_engine(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        rows = speaker.wire.stream("tail", {"all": True})
        first = await run_sync(next, rows)
    rest = await run_sync(list, rows)
    assert first["sequence"] == 1
    assert isinstance(rest, list)


async def test_an_absent_engine_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await run_sync(Wire(LocalSocket(tmp_path / "no.sock")).call, "GET", "status")


async def test_the_api_describes_itself(tmp_path: Path) -> None:
    async with running_project(tmp_path):
        status, _, text = await fetch(tmp_path / "var" / "passerelle.sock", "/api/v1/openapi.json")
    assert status == 200
    assert json.loads(text)["openapi"] == "3.1.0"


async def test_health_is_told_while_a_partner_is_down(tmp_path: Path) -> None:
    path = tmp_path / "var" / "passerelle.sock"
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("1", to="emr")
        alive, ready, verbose = [await fetch(path, each) for each in ("/livez", "/readyz", "/readyz?verbose")]
    assert (alive[0], ready[0]) == (200, 200)
    assert verbose[2].splitlines() == ["[+] engine", "[+] store", "[+] listener door: running", "ready"]


async def test_an_engine_that_stops_is_alive_and_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "var" / "passerelle.sock"
    async with running_project(tmp_path) as (engine, _):
        engine.is_ready = False
        alive, ready = [await fetch(path, each) for each in ("/livez", "/readyz")]
    assert (alive[0], ready[0]) == (200, 503)
    assert "[-] engine: starting or draining" in ready[2]


async def test_metrics_are_given_in_prometheus_text(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("1")
        status, _, text = await fetch(tmp_path / "var" / "passerelle.sock", "/metrics")
    assert status == 200
    assert 'passerelle_messages_total{disposition="accepted",listener="door"} 1.0' in text


async def test_the_socket_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "passerelle.sock").write_text("notes of somebody")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running_project(tmp_path):
            pass
    assert "no socket" in str(caught.value.exceptions[0])
    assert (tmp_path / "var" / "passerelle.sock").read_text() == "notes of somebody"


async def test_a_conflict_says_what_stands_in_the_way(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("1")
        with pytest.raises(Conflict, match="not an open dead letter"):
            await speaker.post("dead/1/discard", reason="exercise")


def test_every_role_of_the_configuration_is_known_to_the_api() -> None:
    from typing import get_args

    from engine.config.settings import ApiToken

    assert frozenset(get_args(ApiToken.model_fields["role"].annotation)) == ROLES
