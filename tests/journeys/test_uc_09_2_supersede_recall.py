"""UC-09.2: while the clinic is down, a newer version replaces an undelivered one and a cancellation recalls it."""

from __future__ import annotations

import json
from pathlib import Path

from engine.model import State
from tests.journeys.house import Plan, house, webhook
from tests.peers.emr import OK, Misbehaviour, emr


async def test_a_newer_version_supersedes_and_goes_out_as_booked(tmp_path: Path, dev_certs: Path) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        await here.post(here.event("booked"))
        await here.in_state(State.RETRYING)
        await here.post(here.event("modified", version=2))
        await clinic.start()
        older, newer = await here.ended(2)
    assert [older.delivery.state, newer.delivery.state] == [State.SUPERSEDED, State.DELIVERED]
    assert [json.loads(request.body)["type"] for request in clinic.requests] == ["appointment-booked"]
    assert json.loads(clinic.requests[0].body)["appointment"]["version"] == 2


async def test_a_cancellation_recalls_and_is_itself_sent(tmp_path: Path, dev_certs: Path) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        await here.post(here.event("booked"))
        await here.in_state(State.RETRYING)
        await here.post(here.event("cancelled", version=2))
        await clinic.start()
        older, newer = await here.ended(2)
    assert [older.delivery.state, newer.delivery.state] == [State.RECALLED, State.DELIVERED]
    assert [json.loads(request.body)["type"] for request in clinic.requests] == ["appointment-cancelled"]


async def test_an_unknown_outcome_is_neither_superseded_nor_recalled(tmp_path: Path, dev_certs: Path) -> None:
    plan = Plan({}, timeout="400ms")
    async with emr(dev_certs, name="clinique-abc", script=[Misbehaviour.SILENT, OK]) as clinic:
        plan.endpoints = {"emr": webhook(clinic)}
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event("booked"))
            await clinic.wait_for_requests(1)
            await here.post(here.event("cancelled", version=2))
            older, newer = await here.ended(2)
    assert [older.delivery.state, newer.delivery.state] == [State.DELIVERED, State.DELIVERED]
    kinds = [json.loads(request.body)["type"] for request in clinic.requests]
    assert kinds == ["appointment-booked", "appointment-booked", "appointment-cancelled"]
