"""A partner with JSON of its own gets the hospital's appointments in it, and moves them by it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from engine.testing.peers_mllp import MllpPeer, control_id, mllp_peer
from tests.journeys.events import booking, hooks
from tests.journeys.hospital import Hospital, hospital
from tests.peers.emr import OK, Emr, emr

CONFIG = """
listen:
  schedule: {{mllp: "127.0.0.1:0", partner: hsj, zone: America/Toronto}}
  portal: {{rest: "127.0.0.1:0"}}
partners:
  hsj: {{endpoints: {{schedule: {{mllp: "127.0.0.1:{his}", phi: full}}}}}}
  portail: {{zone: America/Toronto, endpoints: {{rdv: {portal}}}}}
"""
OUT = """
route: out
from: schedule
keys: {appointment: msg.SCH-2.1}
steps:
  - map: {mapper: rendez-vous, to: json, verify: always}
to: [portail.rdv]
"""
BACK = """
route: back
from: {portal: POST /rdv}
steps: [{map: {mapper: rendez-vous, from: json, to: v2, found_by: {appointment: msg.numero}}}]
to: [hsj.schedule]
"""
MAPPER = r"""
mapper: rendez-vous
version: 1.0.0
v2: {messages: [SIU^S12], create: "MSH|^~\\&|||||||SIU^S12|||2.5.1\rSCH|\rPID|1\r"}
events: appointment-modified
tables:
  status: {booked: {v2: Booked, json: confirmé}, cancelled: {v2: Cancelled, json: annulé}}
rules:
  - {event: message.id, v2: MSH-10, fresh: true}
  - {event: appointment.id, v2: SCH-2.1, json: numero}
  - {event: appointment.start, v2: SCH-11.4, type: ts, json: debut}
  - {event: appointment.status, v2: SCH-25, table: status, json: etat}
  - event: patient.names[]
    v2: PID-5
    json: usager.noms
    rules: [{event: family, v2: .1, json: nom}, {event: given, v2: .2, json: prenom}]
compute:
  - {json: texte, value: "Rendez-vous le {readable(msg.appointment.start, 'fr', 'America/Toronto')}"}
"""


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[tuple[Hospital, MllpPeer, Emr]]:
    (folder / "mappings").mkdir()
    (folder / "mappings" / "rendez-vous.yaml").write_text(MAPPER)
    async with mllp_peer() as his, emr(None, script=[OK]) as portal:
        config = CONFIG.format(his=his.port, portal=hooks(portal))
        async with hospital(folder, config, {"out": OUT, "back": BACK}) as engine:
            yield engine, his, portal


async def told(engine: Hospital, portal: Emr) -> dict[str, Any]:
    """Send a booking of the hospital and return what the portal got."""
    assert (await engine.sent("schedule", booking("SIU1")))[0][0] == "AA"
    [request] = await portal.wait_for_requests(1)
    found: dict[str, Any] = json.loads(request.body)
    return found


async def returned(engine: Hospital, his: MllpPeer, document: dict[str, Any]) -> bytes:
    """Post the portal's JSON and return the message that the hospital got."""
    address = engine.engine.supervisor.addresses["portal"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{address}/rdv", json=document) as answer,
    ):
        assert answer.status == 202, await answer.text()
    await engine.ended(1, route="back")
    return his.received[0]


async def test_the_partner_gets_json_of_its_own_with_what_is_computed(tmp_path: Path) -> None:
    async with town(tmp_path) as (engine, _, portal):
        document = await told(engine, portal)
    assert document == {
        "texte": "Rendez-vous le 12 novembre 2026 à 9 h 30",
        "numero": "RDV-7",
        "debut": "2026-11-12T09:30:00-05:00",
        "etat": "confirmé",
        "usager": {"noms": [{"nom": "Tremblay-Fictif", "prenom": "Zoé"}]},
    }


async def test_what_the_partner_moves_is_moved_in_the_hospitals_own_message(tmp_path: Path) -> None:
    async with town(tmp_path) as (engine, his, portal):
        document = await told(engine, portal)
        sent = await returned(
            engine, his, {**document, "debut": "2026-11-12T14:00:00-05:00", "texte": "à 14 h"}
        )
    moved = booking("SIU1").replace(b"^^30^20261112093000-0500", b"^^30^20261112140000-0500")
    assert sent.replace(control_id(sent).encode(), b"SIU1") == moved
