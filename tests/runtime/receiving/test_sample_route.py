"""The shipped route, from the posted event to the rows of its deliveries (UC-09.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from engine.model import Disposition, State
from engine.store.protocol import Query
from tests.runtime.receiving.house import START, House, JsonExchange, house, paths, sample
from tests.runtime.receiving.project import SAMPLE, assembled

NOW_MS = round(START.timestamp() * 1000)


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, assembled(tmp_path, SAMPLE)) as opened:
        yield opened


async def test_a_booked_appointment_becomes_one_delivery_with_its_chain(inside: House) -> None:
    receipt = await inside.post(sample())
    assert receipt.disposition is Disposition.ACCEPTED
    delivery = await inside.only()
    assert [hop.endpoint for hop in delivery.chain] == [
        "clinique-abc.emr",
        "clinique-abc.queue",
        "clinique-abc.mail",
    ]
    assert (delivery.route, delivery.destination, delivery.kind) == (
        "appointment-to-clinic",
        "{partner}.emr",
        "appointment-booked",
    )
    assert (delivery.state, delivery.fallback, delivery.version) == (State.PENDING, False, 1)
    assert (delivery.supersedes, delivery.recalls) == (True, False)


async def test_emr_and_queue_get_the_same_content(inside: House) -> None:
    await inside.post(sample())
    delivery = await inside.only()
    assert delivery.chain[0].rendering == delivery.chain[1].rendering == "rendered"
    content = await inside.body(delivery)
    assert content["type"] == "appointment-booked"
    assert content["notification"] == delivery.message_id
    assert content["appointment"]["id"] == "RDV-1001"
    assert "Camille Tremblay-Fictif" in content["summary"]["fr"]


async def test_the_mail_gets_a_notice_that_holds_nothing_of_the_message(inside: House) -> None:
    await inside.post(sample())
    delivery = await inside.only()
    notice = str(await inside.body(delivery, hop=2))
    assert delivery.message_id in notice
    assert not [word for word in ("Tremblay", "Camille", "RDV-1001", "TEST-0001") if word in notice]


async def test_a_newer_version_can_go_out_under_the_kind_of_the_first(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("modified"))
    delivery = (await inside.rows())[1].delivery
    other = await inside.body(delivery, role="rendered:as:appointment-booked")
    own = await inside.body(delivery)
    assert (own["type"], other["type"]) == ("appointment-modified", "appointment-booked")
    assert other["summary"]["fr"].startswith("Nouveau rendez-vous")
    assert own["appointment"] == other["appointment"]


async def test_who_finds_nobody_in_the_lane_is_rendered_under_the_own_kind_only(inside: House) -> None:
    await inside.post(sample("modified"))
    delivery = await inside.only()
    assert await inside.store.body(delivery.message, "rendered:as:appointment-booked") is None


async def test_what_the_type_makes_no_difference_to_is_rendered_once(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("modified"))
    delivery = (await inside.rows())[1].delivery
    assert delivery.chain[2].rendering == "rendered:1.2"
    assert await inside.store.body(delivery.message, "rendered:1.2:as:appointment-booked") is None


async def test_nothing_goes_out_as_a_cancellation_but_a_cancellation(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("modified"))
    delivery = (await inside.rows())[1].delivery
    assert await inside.store.body(delivery.message, "rendered:as:appointment-cancelled") is None


async def test_a_cancellation_recalls_and_keeps_its_kind(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("cancelled"))
    delivery = (await inside.rows())[1].delivery
    assert (delivery.recalls, delivery.kind) == (True, "appointment-cancelled")
    assert await inside.store.body(delivery.message, "rendered:as:appointment-booked") is None


async def test_the_deadline_is_the_fallback_or_the_expiry_whichever_is_first(inside: House) -> None:
    await inside.post(sample())
    soon = sample(id="evt-2", appointment__id="RDV-2", appointment__start="2026-11-02T09:05:00-05:00")
    await inside.post(soon)
    far, near = [row.delivery for row in await inside.rows()]
    start_ms = round(datetime.fromisoformat("2030-11-12T09:00:00-05:00").timestamp() * 1000)
    assert (far.deadline_ms, far.expire_ms) == (NOW_MS + 15 * 60_000, start_ms)
    assert near.deadline_ms == near.expire_ms == NOW_MS + 5 * 60_000


async def test_a_clinic_without_that_endpoint_begins_with_its_fallback(inside: House) -> None:
    await inside.post(sample("booked-absent-clinic"))
    delivery = await inside.only()
    assert [hop.endpoint for hop in delivery.chain] == ["clinique-nord.queue", "clinique-nord.mail"]
    assert delivery.fallback
    assert delivery.deadline_ms == delivery.expire_ms


async def test_a_clinic_without_any_endpoint_is_a_dead_letter_and_not_lost(inside: House) -> None:
    receipt = await inside.post(sample(clinic__permit="77777"))
    delivery = await inside.only()
    assert receipt.disposition is Disposition.ACCEPTED
    assert (delivery.state, delivery.reason) == (State.DEAD, "no_endpoint")
    assert delivery.chain[0].endpoint == "clinique-muette.emr"
    assert (await inside.body(delivery))["appointment"]["id"] == "RDV-1001"
    assert (await inside.rows(open_dead=True))[0].open


async def test_content_never_enters_the_chain_of_an_endpoint_that_may_not_carry_it(inside: House) -> None:
    await inside.post(sample(clinic__permit="88888"))
    delivery = await inside.only()
    assert (delivery.state, delivery.reason) == (State.DEAD, "phi")


async def test_later_events_of_one_appointment_wait_behind_the_first(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("modified"))
    first, second = await inside.rows()
    assert first.delivery.lane == second.delivery.lane
    assert (first.blocked, second.blocked) == (False, True)
    assert [delivery.sequence for delivery in inside.dispatched.offered] == [first.delivery.sequence]


async def test_a_waiting_head_is_told_of_what_overtakes_it(inside: House) -> None:
    await inside.post(sample())
    await inside.post(sample("cancelled"))
    first, _ = await inside.rows()
    assert [delivery.sequence for delivery in inside.dispatched.nudged] == [first.delivery.sequence]


async def test_a_message_is_found_by_its_business_keys(inside: House) -> None:
    receipt = await inside.post(sample())
    for key in (("appointment", "RDV-1001"), ("mrn", "TEST-0001"), ("event", "evt-1001")):
        (row,) = await inside.store.messages(Query(key=key))
        assert row.id == receipt.message_id


async def test_source_and_id_of_the_event_are_the_senders_id(inside: House) -> None:
    await inside.post(sample())
    (row,) = await inside.store.messages(Query())
    assert row.control_id == "https://rendezvous.example/platform evt-1001"


async def test_a_copy_is_answered_as_the_first_and_queues_nothing(inside: House) -> None:
    first = await inside.post(sample())
    again = await inside.post(sample())
    assert again.disposition is Disposition.DUPLICATE
    assert (again.reply, again.message_id) == (first.reply, first.message_id)
    assert len(await inside.rows()) == 1


async def test_a_known_id_with_another_body_is_turned_away(inside: House) -> None:
    await inside.post(sample())
    receipt = await inside.post(sample(appointment__version=9))
    assert receipt.disposition is Disposition.COLLISION
    assert b"this id was used for another message" in receipt.reply
    assert len(await inside.rows()) == 1


async def test_a_message_that_is_routed_again_on_purpose_is_no_copy(inside: House) -> None:
    first = await inside.post(sample())
    again = replace(inside.message(sample()), replay_of=first.message_id)
    receipt = await inside.reception.intake("public")(again, JsonExchange())
    assert receipt.disposition is Disposition.ACCEPTED
    assert len(await inside.rows()) == 2


async def test_a_refusal_is_no_copy_of_itself(inside: House) -> None:
    await inside.post(sample("unknown-clinic"))
    receipt = await inside.post(sample("unknown-clinic"))
    assert receipt.disposition is Disposition.REFUSED


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (sample("unknown-clinic"), "clinic.permit"),
        (sample("ends-before-start"), "appointment.end"),
        (sample(type="appointment-lost"), "type"),
        (sample(appointment__start="tomorrow"), "appointment.start"),
        (sample(appointment__version="1"), "appointment.version"),
        (sample(patient__name={}), "patient.name.family"),
        (sample(data=None), ""),
        (sample(specversion="0.3"), "specversion"),
        (sample(source=""), "source"),
        (b"{", ""),
        (b"", ""),
        (b"[]", "type"),
        (b'{"a": 1, "a": 2}', "a"),
        ({"hello": "world"}, "type"),
        ([sample()], ""),
    ],
)
async def test_every_refusal_names_its_path(inside: House, content: object, path: str) -> None:
    receipt = await inside.post(content)
    assert path in paths(receipt)
    assert [blame.path for blame in inside.blames if blame.route == "appointment-to-clinic"]
    (row,) = await inside.store.messages(Query())
    assert row.disposition is Disposition.REFUSED
    assert await inside.rows() == []


async def test_each_missing_field_is_named(inside: House) -> None:
    event = sample()
    del event["data"]["appointment"]["id"]
    del event["data"]["clinic"]
    assert set(paths(await inside.post(event))) == {"appointment.id", "clinic"}


async def test_who_is_told_of_a_refusal_comes_from_the_route(inside: House) -> None:
    await inside.post(sample("unknown-clinic"))
    assert [(blame.route, blame.path, blame.alert) for blame in inside.blames] == [
        ("appointment-to-clinic", "clinic.permit", "ops")
    ]


async def test_no_refusal_quotes_the_message(inside: House) -> None:
    event = sample(patient__name={"family": "Secretfamily", "given": 7})
    receipt = await inside.post(event)
    assert b"Secretfamily" not in receipt.reply


async def test_a_selector_without_a_route_is_refused(inside: House) -> None:
    assert paths(await inside.post(sample(), selector="POST /v1/other")) == [""]


async def test_conservation_holds(inside: House) -> None:
    for number, name in enumerate(("booked", "booked-absent-clinic", "unknown-clinic", "cancelled")):
        await inside.post(sample(name, id=f"evt-{number}"))
    tally = await inside.store.tally()
    assert tally.conserved
    assert (tally.created, tally.dispositions[Disposition.REFUSED]) == (3, 1)
