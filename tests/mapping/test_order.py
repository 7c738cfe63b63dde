"""The mapper `order`: what is asked of a laboratory or another service, there and back, by three kinds of message."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.carried import by_fhir, contradicted
from tests.mapping.synthetic_order import KINDS, messages
from tests.mapping.trips import (
    ROOT,
    ZONE,
    again,
    around,
    changed,
    corpus,
    event_of,
    fhir_faults,
    kept,
    schema_faults,
    shipped,
)

NAME = "order"
GOLDEN = ROOT / "mappings" / "golden" / NAME
OWN = {path.name: path.joinpath("message.hl7").read_bytes() for path in sorted(GOLDEN.iterdir())}
INVENTED = {f"{kind}-{n}": body for kind in KINDS for n, body in enumerate(messages(kind))}
CORPUS = dict(corpus("ORM_O01", "OMG_O19", "OML_O21"))
MESSAGES = {**OWN, **INVENTED, **CORPUS}
WITH_ORDERS = {
    name: body
    for name, body in MESSAGES.items()
    if body.startswith(b"MSH") and (b"OBR|" in body or b"ORC|" in body)
}
"""Some files of the corpus are beginnings of messages, which ask for nothing."""


def fhir(name: str) -> Any:
    return shipped(NAME).put("fhir", event_of(shipped(NAME), MESSAGES[name]), zone=ZONE)


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def referred(bundle: Any, reference: Any) -> Any:
    return next(one["resource"] for one in bundle["entry"] if one["fullUrl"] == reference["reference"])


def event_type(name: str) -> str:
    return shipped(NAME).event_type(event_of(shipped(NAME), MESSAGES[name]))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_its_event_byte_for_byte(name: str) -> None:
    assert again(shipped(NAME), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_fhir_byte_for_byte(name: str) -> None:
    assert around(shipped(NAME), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_fhir_says_nothing_else_than_the_event(name: str) -> None:
    assert contradicted(shipped(NAME), MESSAGES[name]) == []


@pytest.mark.parametrize("name", WITH_ORDERS)
def test_an_event_meets_its_schema(name: str) -> None:
    assert schema_faults(shipped(NAME), event_of(shipped(NAME), WITH_ORDERS[name])) == []


@pytest.mark.parametrize("name", WITH_ORDERS)
def test_the_bundle_of_an_event_meets_r4(name: str) -> None:
    assert fhir_faults(shipped(NAME), event_of(shipped(NAME), MESSAGES[name])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_invented_messages_are_always_the_same(kind: str) -> None:
    assert messages(kind) == messages(kind)
    assert len(set(messages(kind))) == 40


def test_what_is_asked_of_an_order_says_which_event_it_is() -> None:
    assert event_type("new-order") == "order-placed"
    assert event_type("cancel") == "order-cancelled"
    assert event_type("change") == "order-modified"
    assert event_type("order-control-only") == "order-modified"
    assert event_type("older-message") == "order-placed"


def test_a_new_order_is_active_and_urgent() -> None:
    (request,) = resources(fhir("new-order"), "ServiceRequest")
    assert (request["status"], request["intent"], request["priority"]) == ("active", "order", "stat")


def test_the_urgency_of_an_older_message_is_not_lost() -> None:
    (request,) = resources(fhir("older-message"), "ServiceRequest")
    assert request["priority"] == "stat"


def test_an_order_without_a_state_has_the_one_that_was_asked_for() -> None:
    (request,) = resources(fhir("change"), "ServiceRequest")
    assert "status" not in event_of(shipped(NAME), OWN["change"])["orders"][0]
    assert request["status"] == "active"


def test_a_cancelled_order_is_revoked() -> None:
    (request,) = resources(fhir("cancel"), "ServiceRequest")
    assert request["status"] == "revoked"


def test_a_message_without_its_state_that_discontinues_is_never_active() -> None:
    body = OWN["change"].replace(b"ORC|XO|", b"ORC|DC|")
    bundle = shipped(NAME).put("fhir", event_of(shipped(NAME), body), zone=ZONE)
    assert resources(bundle, "ServiceRequest")[0]["status"] == "revoked"


def test_each_order_of_a_group_is_a_request_of_its_own() -> None:
    requests = resources(fhir("several-orders"), "ServiceRequest")
    assert [each["code"]["coding"][0]["code"] for each in requests] == ["58410-2", "24323-8"]
    assert {each["requisition"]["value"] for each in requests} == {"G300"}


def test_an_order_refers_to_its_specimen_its_answers_and_its_reason() -> None:
    bundle = fhir("new-order")
    (request,) = resources(bundle, "ServiceRequest")
    assert referred(bundle, request["specimen"][0])["type"]["coding"][0]["display"] == "Blood"
    answers = [referred(bundle, one) for one in request["supportingInfo"]]
    assert [each["code"]["coding"][0]["code"] for each in answers] == ["3141-9", "49541-6"]
    assert referred(bundle, request["reasonReference"][0])["code"]["coding"][0]["code"] == "R50.9"


def test_who_orders_is_a_person_of_an_organization() -> None:
    bundle = fhir("new-order")
    role = referred(bundle, resources(bundle, "ServiceRequest")[0]["requester"])
    assert role["resourceType"] == "PractitionerRole"
    assert referred(bundle, role["practitioner"])["name"][0]["family"] == "Prescripteur"
    assert referred(bundle, role["organization"])["name"] == "Clinique Test"


def test_a_note_belongs_to_its_order() -> None:
    (request,) = resources(fhir("change"), "ServiceRequest")
    assert [each["text"] for each in request["note"]] == ["no longer urgent"]


def test_a_changed_date_changes_its_own_field_and_nothing_else() -> None:
    decoded = shipped(NAME).get("v2", parse(OWN["change"]), zone=ZONE)
    data = changed(decoded.data, "orders.0.timing.start", "2026-01-17T08:00")
    made = write(shipped(NAME).put("v2", data, decoded.complement, zone=ZONE))
    assert made == OWN["change"].replace(b"|20260115080000-0500|", b"|202601170800|")


def test_an_order_that_is_made_from_fhir_alone_asks_for_the_same() -> None:
    data = shipped(NAME).get("fhir", fhir("new-order"), zone=ZONE).data
    made = write(shipped(NAME).put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode()
    assert "|OML^O21^OML_O21|" in made.split("\r")[0]
    assert "\rORC|NW|P3001^DME^2.16.124.9.5^ISO|" in made
    assert "58410-2^CBC panel^LN^NFS^Num" in made


def test_the_event_carries_most_of_a_message() -> None:
    assert kept(shipped(NAME), INVENTED.values()) > 0.95
    assert kept(shipped(NAME), (CORPUS or OWN).values()) > 0.8


def test_fhir_alone_carries_most_of_an_event() -> None:
    assert by_fhir(shipped(NAME), (CORPUS or OWN).values()) > 0.8
