"""The mapper `appointment`: what a schedule tells, there and back, in the event's words and in FHIR's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_siu import TRIGGERS, appointments
from tests.mapping.trips import (
    CORPUS,
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

GOLDEN = ROOT / "mappings" / "golden" / "appointment"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
FOUND = {
    name: body
    for name, body in corpus(*(f"SIU_{trigger}" for trigger in TRIGGERS))
    if not body.startswith(UTF_16)
}
INVENTED = {trigger: [text.encode() for text in appointments(trigger)] for trigger in TRIGGERS}
MESSAGES = {**INVENTED, **({"corpus": list(FOUND.values())} if FOUND else {})}
SOME = {source: bodies[:10] if source in INVENTED else bodies for source, bodies in MESSAGES.items()}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def bundle_of(name: str) -> Any:
    mapper = shipped("appointment")
    return mapper.put("fhir", event_of(mapper, golden(name)), zone=ZONE)


@pytest.mark.parametrize("source", MESSAGES)
def test_messages_come_back_from_their_events_byte_for_byte(source: str) -> None:
    assert [again(shipped("appointment"), body) for body in MESSAGES[source]] == MESSAGES[source]


@pytest.mark.parametrize("source", SOME)
def test_messages_come_back_from_fhir_byte_for_byte(source: str) -> None:
    assert [around(shipped("appointment"), body) for body in SOME[source]] == SOME[source]


@pytest.mark.parametrize("source", SOME)
def test_a_message_that_is_made_says_the_same_event(source: str) -> None:
    mapper = shipped("appointment")
    events = [event_of(mapper, body) for body in SOME[source]]
    assert [mapper.get("v2", mapper.put("v2", data)).data for data in events] == events


@pytest.mark.parametrize("source", SOME)
def test_events_meet_their_schema_and_bundles_meet_r4(source: str) -> None:
    mapper = shipped("appointment")
    events = [event_of(mapper, body) for body in SOME[source]]
    assert [schema_faults(mapper, data) for data in events] == [[]] * len(events)
    assert [fhir_faults(mapper, data) for data in events] == [[]] * len(events)


def test_a_booking_is_told_in_words_of_the_domain() -> None:
    data = event_of(shipped("appointment"), golden("booking"))
    assert data["kind"] == "booked"
    appointment = data["appointment"]
    assert (appointment["id"], appointment["placer"]["value"]) == ("F-88021", "RDV-1001")
    assert (appointment["start"], appointment["status"]) == ("2026-11-12T09:00:00-05:00", "booked")
    assert data["people"][0]["person"]["family"] == "Exemple"
    assert data["people"][0]["status"] == "confirmed"
    assert data["locations"][0]["location"] == {"unit": "CLIN2", "room": "204", "facility": "CHUX"}


@pytest.mark.parametrize(
    ("trigger", "event_type"),
    [
        ("S12", "appointment-booked"),
        ("S13", "appointment-modified"),
        ("S14", "appointment-modified"),
        ("S15", "appointment-cancelled"),
        ("S16", "appointment-cancelled"),
        ("S17", "appointment-cancelled"),
        ("S18", "appointment-modified"),
        ("S22", "appointment-modified"),
        ("S23", "slot-blocked"),
        ("S24", "slot-freed"),
        ("S26", "appointment-modified"),
    ],
)
def test_the_trigger_says_which_event_it_is(trigger: str, event_type: str) -> None:
    mapper = shipped("appointment")
    assert mapper.event_type(event_of(mapper, INVENTED[trigger][0])) == event_type


@pytest.mark.parametrize(
    ("name", "status"),
    [("booking", "booked"), ("move", "booked"), ("cancellation", "cancelled"), ("no-show", "noshow")],
)
def test_fhir_has_the_status_of_the_appointment(name: str, status: str) -> None:
    (appointment,) = resources(bundle_of(name), "Appointment")
    assert appointment["status"] == status


def test_an_appointment_names_who_and_where_by_their_resources() -> None:
    bundle = bundle_of("booking")
    kinds = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
    (appointment,) = resources(bundle, "Appointment")
    actors = {
        each["type"][0]["coding"][0]["code"]: kinds[each["actor"]["reference"]]
        for each in appointment["participant"]
    }
    assert actors["SBJ"] == "Patient"
    assert actors["PPRF"] == "Practitioner"
    assert actors["LOC"] == "Location"


def test_a_freed_time_is_a_free_slot() -> None:
    (slot,) = resources(bundle_of("time-freed"), "Slot")
    assert slot["status"] == "free"
    assert slot["start"] == "2026-12-03T08:00:00-05:00"


def test_a_moved_appointment_changes_its_times_and_nothing_else() -> None:
    mapper = shipped("appointment")
    body = golden("booking")
    decoded = mapper.get("v2", parse(body), zone=ZONE)
    data = changed(decoded.data, "appointment.start", "2026-11-12T10:00:00-05:00")
    made = write(mapper.put("v2", data, decoded.complement, zone=ZONE))
    assert made == body.replace(b"^^^20261112090000-0500^", b"^^^20261112100000-0500^")


def test_one_more_status_spelling_stays_as_it_is_while_it_means_the_same() -> None:
    mapper = shipped("appointment")
    body = golden("cancellation")
    assert b"|CANCELLED\r" in body
    assert event_of(mapper, body)["appointment"]["status"] == "cancelled"
    assert again(mapper, body) == body


def test_letters_beyond_ascii_keep_the_senders_character_set() -> None:
    mapper = shipped("appointment")
    body = golden("accents-in-latin-1")
    assert event_of(mapper, body)["patient"]["names"][0]["given"] == "Anaïs"
    assert again(mapper, body) == body


def test_an_appointment_that_comes_as_fhir_leaves_as_a_message() -> None:
    mapper = shipped("appointment")
    data = mapper.get("fhir", bundle_of("booking"), zone=ZONE).data
    made = write(mapper.put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode()
    segments = [segment[:3] for segment in made.split("\r")[:-1]]
    assert segments[:3] == ["MSH", "SCH", "NTE"]
    assert "|SIU^S12" in made
    assert "^^^20261112090000-0500^20261112093000-0500" in made


def test_the_event_carries_nearly_all_of_a_message() -> None:
    mapper = shipped("appointment")
    assert kept(mapper, [body for bodies in INVENTED.values() for body in bodies]) > 0.97
    assert not FOUND or kept(mapper, FOUND.values()) > 0.95


@pytest.mark.parametrize(
    "path",
    sorted([*(CORPUS / "fhir-r4").glob("Appointment-ex*.json"), *(CORPUS / "fhir-r4").glob("Slot-*.json")]),
    ids=lambda path: path.stem,
)
def test_a_resource_of_another_system_comes_back_as_it_was(path: Path) -> None:
    mapper = shipped("appointment")
    example = json.loads(path.read_text(), parse_float=str)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": example}]}
    decoded = mapper.get("fhir", bundle, zone=ZONE)
    assert mapper.put("fhir", decoded.data, decoded.complement, zone=ZONE)["entry"][0]["resource"] == example
