"""What a mapping could not carry is told by every tool, without a value; strict and verified routes stop it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.cli.wire import LocalSocket, Wire
from engine.codecs.hl7v2.paths import compile_path
from engine.mapping.two_way import TwoWayMapper
from engine.model import State
from engine.steps import two_way
from engine.steps.two_way import is_sampled
from tests.channels.mllp.wire import wire
from tests.cli.invoking import passerelle
from tests.journeys.events import admission
from tests.journeys.hospital import Hospital, hospital

CONFIG = """
listen: {adt: {mllp: "127.0.0.1:0", partner: hsj, zone: America/Toronto}}
partners:
  hsj: {}
  registry: {endpoints: {all: {inbox: registry, phi: full}}}
  operations: {endpoints: {alerts: {inbox: operations}}}
alerts:
  ops: {to: operations.alerts, settle: 1s}
"""
ROUTE = """
route: in
from: adt
steps: [{map: {mapper: patient-encounter, to: event%s}}]
to: [registry.all]
on_reject: {%s}
on_dead: {alert: ops}
"""
OWN = "ZPA|mot-secret|2\r"
NAMES = ("mot-secret", "Tremblay", "Zoé", "1234567", "19800101")
"""What the message says of a person, and what no report may say."""


@asynccontextmanager
async def house(folder: Path, said: str = "", reject: str = "alert: ops") -> AsyncIterator[Hospital]:
    async with hospital(folder, CONFIG, {"in": ROUTE % (said, reject)}) as engine:
        yield engine


async def asked(folder: Path, path: str) -> Any:
    """Ask the engine's API over its socket."""
    call = Wire(LocalSocket(folder / "var" / "passerelle.sock"))
    return await asyncio.to_thread(call.call, "GET", path)


# --------------------------------------------------------------------------- the report


async def test_show_trace_and_the_api_tell_the_same_and_no_value(tmp_path: Path) -> None:
    async with house(tmp_path) as engine:
        await engine.sent("adt", admission("A1", sender_own=OWN))
        [row] = await engine.ended(1)
        found = row.delivery.message_id
        view = await asked(tmp_path, f"messages/{found}")
        trace = await asked(tmp_path, f"messages/{found}/trace")
        shown = await asyncio.to_thread(passerelle, tmp_path, "show", found)
        traced = await asyncio.to_thread(passerelle, tmp_path, "trace", found)
    [report] = view["losses"]
    assert trace["losses"] == [report]
    assert (report["mapper"], report["from"], report["to"]) == ("patient-encounter", "v2", "event")
    assert {"ZPA-1", "ZPA-2"} <= set(report["opaque"])
    assert {"PID-5.1", "PID-7", "PID-8"} <= set(report["mapped"])
    for out in (shown.out, traced.out):
        assert "patient-encounter" in out
        assert "ZPA-1" in out
        assert "in the complement" in out
    everything = json.dumps([view, trace], ensure_ascii=False) + shown.out + traced.out
    assert [name for name in NAMES if name in everything] == []


async def test_what_is_mapped_whole_is_told_as_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as engine:
        await engine.sent("adt", admission("A1"))
        [row] = await engine.ended(1)
        view = await asked(tmp_path, f"messages/{row.delivery.message_id}")
    assert [path for path in view["losses"][0]["opaque"] if not path.startswith("MSH-")] == []


# --------------------------------------------------------------------------- strict


async def test_a_strict_route_refuses_and_names_the_places(tmp_path: Path) -> None:
    async with house(tmp_path, ", strict: true", "reply: AE") as engine:
        async with wire(engine.engine.supervisor.addresses["adt"]) as connection:
            answer = (await connection.ask(admission("A1", sender_own=OWN))).decode()
        rows = await engine.rows()
    assert "MSA|AE|A1" in answer
    assert "ERR|" in answer
    assert "ZPA" in answer
    assert "mot-secret" not in answer
    assert rows == []


async def test_a_strict_route_keeps_a_dead_letter_where_its_sender_can_mend_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, ", strict: true", "reply: AA, alert: ops") as engine:
        [(code, _)] = await engine.sent("adt", admission("A1", sender_own=OWN))
        dead = await engine.in_state(State.DEAD, route="in")
        view = await asked(tmp_path, f"messages/{dead.delivery.message_id}")
        shown = await asyncio.to_thread(passerelle, tmp_path, "show", dead.delivery.message_id)
    assert (code, dead.delivery.reason) == ("AA", "unmapped")
    [report] = view["losses"]
    assert {"ZPA-1", "ZPA-2"} <= set(report["opaque"])
    assert report["remark"].startswith("unmapped: ")
    assert "ZPA-1" in shown.out
    assert "mot-secret" not in json.dumps(view) + shown.out


# --------------------------------------------------------------------------- verify, with a broken mapper


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the mapper on its way back: it writes another date of birth than it read."""
    put = TwoWayMapper.put

    def spoiling(self: TwoWayMapper, side: str, data: dict[str, Any], *rest: Any, **more: Any) -> Any:
        made = put(self, side, data, *rest, **more)
        if side == "v2":
            compile_path("PID-7").set(made, "19991231")
        return made

    monkeypatch.setattr(TwoWayMapper, "put", spoiling)


@pytest.mark.usefixtures("broken")
async def test_a_broken_mapper_is_found_out_by_every_message(tmp_path: Path) -> None:
    async with house(tmp_path, ", verify: always", "reply: AE, alert: ops") as engine:
        answers = await engine.sent("adt", admission("A1"), admission("A2", mrn="7654321"))
        rows = await engine.ended(2, route="in")
        view = await asked(tmp_path, f"messages/{rows[0].delivery.message_id}/trace")
    assert [code for code, _ in answers] == ["AA", "AA"]
    assert {(row.delivery.state, row.delivery.reason) for row in rows} == {(State.DEAD, "verify")}
    told = json.dumps(view, ensure_ascii=False)
    assert "PID-7" in told
    assert f"byte {admission('A1').index(b'19800101') + 2}" in told
    assert "19800101" not in told


@pytest.mark.usefixtures("broken")
async def test_a_sample_finds_it_out_in_the_messages_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_way, "SAMPLE", 3)
    async with house(tmp_path, ", verify: sample") as engine:
        await engine.sent("adt", *(admission(f"A{number}", mrn=str(number)) for number in range(24)))
        rows = await engine.ended(24, route="in")
    states = {row.delivery.message_id: row.delivery.state for row in rows}
    assert State.DEAD in states.values()
    assert {key: state is State.DEAD for key, state in states.items()} == {
        key: is_sampled(key) for key in states
    }


@pytest.mark.usefixtures("broken")
async def test_without_it_nobody_looks(tmp_path: Path) -> None:
    async with house(tmp_path, ", verify: off") as engine:
        await engine.sent("adt", admission("A1"))
        [row] = await engine.ended(1, route="in")
    assert row.delivery.state is State.DELIVERED
