"""Two hospitals with segments of their own: each mapper extends the shipped one, and both go back as they came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.testing.peers_mllp import MllpPeer, control_id, mllp_peer
from tests.journeys.events import admission, event_in, hooks
from tests.journeys.hospital import Hospital, hospital
from tests.peers.emr import OK, Emr, emr

CONFIG = """
listen:
  adt-{name}: {{mllp: "127.0.0.1:0", partner: {name}, zone: America/Toronto}}
  events: {{rest: "127.0.0.1:0"}}
partners:
  {name}: {{endpoints: {{adt: {{mllp: "127.0.0.1:{his}", phi: full}}}}}}
  registry: {{endpoints: {{all: {registry}}}}}
"""
IN = """
route: in
from: adt-{name}
steps: [{{map: {{mapper: patient-encounter-{name}, to: event, verify: always}}}}]
to: [registry.all]
"""
OUT = """
route: out
from: {{events: POST /events}}
steps: [{{map: {{mapper: patient-encounter-{name}, to: v2}}}}]
to: ["{name}.adt"]
"""
MAPPER = """
mapper: patient-encounter-{name}
version: 1.0.0
extends: patient-encounter
rules:
  - {{event: {event}, v2: {place}}}
"""
HOSPITALS = {
    "hsj": ("patient.village", "ZPA-2", "ZPA|1|Wendake\r"),
    "chu": ("visit.ward", "ZBE-4", "ZBE|x|y|z|Soins palliatifs\r"),
}


@asynccontextmanager
async def town(folder: Path, name: str) -> AsyncIterator[tuple[Hospital, MllpPeer, Emr]]:
    event, place, _ = HOSPITALS[name]
    (folder / "mappings").mkdir()
    text = MAPPER.format(name=name, event=event, place=place)
    (folder / "mappings" / f"patient-encounter-{name}.yaml").write_text(text)
    async with mllp_peer() as his, emr(None, script=[OK]) as registry:
        config = CONFIG.format(name=name, his=his.port, registry=hooks(registry))
        routes = {"in": IN.format(name=name), "out": OUT.format(name=name)}
        async with hospital(folder, config, routes) as engine:
            yield engine, his, registry


async def told(engine: Hospital, registry: Emr, message: bytes) -> dict[str, Any]:
    """Send an admission and return its event."""
    [(code, _)] = await engine.sent(next(iter(engine.engine.loaded.app.listen)), message)
    assert code == "AA"
    [request] = await registry.wait_for_requests(1)
    return event_in(request)


async def back(engine: Hospital, his: MllpPeer, event: dict[str, Any]) -> bytes:
    """Post an event and return the message that the hospital got."""
    address = engine.engine.supervisor.addresses["events"]
    headers = {"content-type": "application/cloudevents+json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{address}/events", data=json.dumps(event), headers=headers) as answer,
    ):
        assert answer.status == 202, await answer.text()
    await engine.ended(1, route="out")
    return his.received[0]


@pytest.mark.parametrize("name", HOSPITALS)
async def test_a_segment_of_its_own_is_part_of_the_event(tmp_path: Path, name: str) -> None:
    path, _, segment = HOSPITALS[name]
    async with town(tmp_path, name) as (engine, _, registry):
        event = await told(engine, registry, admission("A1", sender_own=segment))
    outer, inner = path.split(".")
    assert event["data"][outer][inner] == segment.rstrip("\r").rpartition("|")[2]
    assert event["type"] == "patient-registered"


@pytest.mark.parametrize("name", HOSPITALS)
async def test_what_changes_in_the_event_changes_in_that_segment(tmp_path: Path, name: str) -> None:
    path, _, segment = HOSPITALS[name]
    before = admission("A1", sender_own=segment + "ZZZ|other\r")
    async with town(tmp_path, name) as (engine, his, registry):
        event = await told(engine, registry, before)
        outer, inner = path.split(".")
        event["data"][outer][inner] = "Ailleurs"
        sent = await back(engine, his, event)
    after = segment.rpartition("|")[0] + "|Ailleurs\r"
    expected = before.replace(segment.encode(), after.encode())
    assert sent.replace(control_id(sent).encode(), b"A1") == expected
