"""UC-09.2, nominal: an appointment event reaches the clinic's record system, signed, once, and is journalled."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from engine.model import State
from engine.security.signing import new_key_pair
from tests.journeys.house import Plan, house, webhook
from tests.peers.emr import OK, emr


async def test_the_clinic_gets_the_notification_and_the_journal_tells_all_of_it(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        status, answer = await here.post(here.event())
        (request,) = await clinic.wait_for_requests(1)
        (row,) = await here.ended()
        journal = await here.engine.store.journal.rows(message=row.delivery.message)
        verified = await here.engine.store.journal.verify()

    assert status == 202
    assert row.delivery.state is State.DELIVERED
    assert request.headers["webhook-id"] == answer["id"] == row.delivery.message_id
    assert request.certificate is not None
    body = json.loads(request.body)
    assert body["summary"]["fr"].startswith("Nouveau rendez-vous : Camille Tremblay-Fictif, 12 novembre 2030")
    assert body["summary"]["en"].startswith("New appointment: Camille Tremblay-Fictif, November 12, 2030")
    assert next(each.action for each in journal) == "accept"
    assert len(journal) >= 2
    assert verified.broken_at is None


async def test_the_receiver_checks_v1_on_the_raw_bytes_with_another_library(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        await here.post(here.event())
        (request,) = await clinic.wait_for_requests(1)
    secret = (dev_certs / "clinique-abc.whsec").read_text().strip()
    assert Webhook(secret).verify(request.body.decode(), dict(request.headers)) == json.loads(request.body)


async def test_the_receiver_checks_v1a_on_the_raw_bytes_with_another_library(
    tmp_path: Path, dev_certs: Path
) -> None:
    private, public = new_key_pair()
    async with emr(dev_certs, name="clinique-abc", script=[OK]) as clinic:
        plan = Plan({"emr": webhook(clinic).replace("certs/clinique-abc.whsec", "abc.whsk")})
        (tmp_path / "abc.whsk").write_text(private.reveal())
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            (request,) = await clinic.wait_for_requests(1)
    scheme, _, encoded = request.headers["webhook-signature"].partition(",")
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    )
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    key.verify(base64.b64decode(encoded), signed)
    assert scheme == "v1a"


async def test_the_same_event_twice_is_answered_with_the_same_bytes_and_delivered_once(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        event = here.event()
        first = await here.post(event)
        await here.ended()
        assert await here.post(event) == first
        status, _ = await here.post({**event, "subject": "another body under the same id"})
        assert status == 422
        assert len(await here.deliveries()) == 1
        assert len(clinic.requests) == 1
