"""An appointment of the hospital reaches a clinic as signed FHIR; what the clinic changes reaches the hospital."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from standardwebhooks.webhooks import Webhook

from engine.codecs.fhir.check import structural_faults
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.testing.peers_mllp import MllpPeer, mllp_peer
from tests.journeys.events import OPERATIONS, booking, only_form, resource, shipped
from tests.journeys.hospital import Hospital, hospital
from tests.journeys.house import webhook
from tests.peers.emr import OK, Emr, emr

CONFIG = """
listen:
  schedule: {{mllp: "127.0.0.1:0", partner: hsj, zone: America/Toronto}}
  clinics: {{rest: "127.0.0.1:0", codec: fhir, partner: clinique-abc}}
tls:
  engine: {{cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}}
partners:
  hsj: {{endpoints: {{schedule: {{mllp: "127.0.0.1:{his}", phi: full}}}}}}
  clinique-abc:
    endpoints: {{emr: {emr}}}
    subscriptions: [{{events: [appointment-booked, appointment-modified], endpoint: emr, as: fhir}}]
  portal: {{endpoints: {{all: {{inbox: portal, phi: full}}}}, subscriptions: [{{endpoint: all}}]}}
  operations: {{endpoints: {{alerts: {{inbox: operations}}}}}}
"""


@dataclass(frozen=True)
class Town:
    """The engine, the hospital's schedule and the clinic's record system."""

    engine: Hospital
    his: MllpPeer
    clinic: Emr

    async def booked(self, message: bytes) -> dict[str, Any]:
        """Send an appointment and return the Bundle that the clinic got."""
        assert (await self.engine.sent("schedule", message))[0][0] == "AA"
        [request, *_] = await self.clinic.wait_for_requests(1)
        bundle: dict[str, Any] = json.loads(request.body)
        return bundle

    async def returns(self, bundle: dict[str, Any]) -> bytes:
        """Post a Bundle as the clinic, and return what the hospital's schedule got."""
        address = self.engine.engine.supervisor.addresses["clinics"]
        headers = {"content-type": "application/fhir+json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{address}/fhir", data=json.dumps(bundle), headers=headers) as answer,
        ):
            assert answer.status == 202, await answer.text()
        await self.engine.ended(1, route="appointment-back")
        return self.his.received[0]


@asynccontextmanager
async def town(folder: Path, certs: Path) -> AsyncIterator[Town]:
    shutil.copytree(certs, folder / "certs")
    routes = shipped("appointments", "deliver", "appointment-back")
    routes["deliver"] = only_form(routes["deliver"], "appointment")
    async with (
        mllp_peer() as his,
        emr(certs, name="clinique-abc", script=[OK]) as clinic,
        hospital(folder, CONFIG.format(his=his.port, emr=webhook(clinic)) + OPERATIONS, routes) as engine,
    ):
        yield Town(engine, his, clinic)


def leaf(message: bytes, path: str) -> str:
    return str(compile_path(path).get(parse(message)))


async def test_the_clinic_gets_a_signed_bundle_of_valid_fhir(tmp_path: Path, dev_certs: Path) -> None:
    async with town(tmp_path, dev_certs) as here:
        bundle = await here.booked(booking("SIU1"))
        [request] = here.clinic.requests
    secret = (dev_certs / "clinique-abc.whsec").read_text().strip()
    assert Webhook(secret).verify(request.body.decode(), dict(request.headers)) == bundle
    assert request.headers["content-type"].startswith("application/fhir+json")
    assert structural_faults(bundle) == ()
    appointment = resource(bundle, "Appointment")
    assert (appointment["status"], appointment["start"]) == ("booked", "2026-11-12T09:30:00-05:00")
    assert resource(bundle, "Patient")["name"][0]["family"] == "Tremblay-Fictif"


async def test_what_the_clinic_moves_is_moved_in_the_hospitals_own_message(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with town(tmp_path, dev_certs) as here:
        bundle = await here.booked(booking("SIU1"))
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] in ("Appointment", "Slot"):
                entry["resource"]["start"] = "2026-11-12T13:00:00-05:00"
        sent = await here.returns(bundle)
    assert leaf(sent, "SCH-11.4") == "20261112130000-0500"
    assert leaf(sent, "ZRV-1") == "salle en rénovation"
    assert leaf(sent, "AIP-3.2") == "Roy"
    before, after = parse(booking("SIU1")), parse(sent)
    for path in ("SCH-2.1", "PID-3.1", "PID-5.1", "AIL-3.1", "SCH-16.6", "ZRV-2"):
        assert str(compile_path(path).get(before)) == str(compile_path(path).get(after)), path


async def test_what_returns_unchanged_is_the_message_that_it_was(tmp_path: Path, dev_certs: Path) -> None:
    async with town(tmp_path, dev_certs) as here:
        bundle = await here.booked(booking("SIU1"))
        sent = await here.returns(bundle)
    assert sent.replace(leaf(sent, "MSH-10").encode(), b"SIU1") == booking("SIU1")


async def test_an_appointment_of_the_clinics_own_becomes_a_message(tmp_path: Path, dev_certs: Path) -> None:
    async with town(tmp_path, dev_certs) as here:
        bundle = await here.booked(booking("SIU1"))
        del bundle["meta"]
        sent = await here.returns(bundle)
    assert leaf(sent, "MSH-9") == "SIU^S12^SIU_S12"
    assert leaf(sent, "SCH-11.4") == "20261112093000-0500"
    assert leaf(sent, "PID-5.1") == "Tremblay-Fictif"
    assert b"ZRV" not in sent
