"""The mapper `patient-encounter`: what an admission office tells, there and back, in the event and in FHIR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_adt import STRUCTURES, admissions
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

GOLDEN = ROOT / "mappings" / "golden" / "patient-encounter"
FOUND = dict(corpus(*(f"ADT_{trigger}" for trigger in STRUCTURES)))
INVENTED = {trigger: [text.encode() for text in admissions(trigger)] for trigger in STRUCTURES}
MESSAGES = {**INVENTED, **({"corpus": list(FOUND.values())} if FOUND else {})}
UNNAMED = "ADT_A01-082-a6fd7a.hl7"
"""Its OBX says nothing of what was observed (OBX-3), which R4 must have."""
SOME = {source: bodies[:10] if source in INVENTED else bodies for source, bodies in MESSAGES.items()}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def bundle_of(name: str) -> Any:
    mapper = shipped("patient-encounter")
    return mapper.put("fhir", event_of(mapper, golden(name)), zone=ZONE)


@pytest.mark.parametrize("source", MESSAGES)
def test_messages_come_back_from_their_events_byte_for_byte(source: str) -> None:
    assert [again(shipped("patient-encounter"), body) for body in MESSAGES[source]] == MESSAGES[source]


@pytest.mark.parametrize("source", SOME)
def test_messages_come_back_from_fhir_byte_for_byte(source: str) -> None:
    assert [around(shipped("patient-encounter"), body) for body in SOME[source]] == SOME[source]


@pytest.mark.parametrize("source", SOME)
def test_a_message_that_is_made_says_the_same_event(source: str) -> None:
    mapper = shipped("patient-encounter")
    events = [event_of(mapper, body) for body in SOME[source]]
    assert [mapper.get("v2", mapper.put("v2", data)).data for data in events] == events


@pytest.mark.parametrize("source", SOME)
def test_events_meet_their_schema_and_bundles_meet_r4(source: str) -> None:
    mapper = shipped("patient-encounter")
    events = [event_of(mapper, body) for body in SOME[source]]
    assert [schema_faults(mapper, data) for data in events] == [[]] * len(events)
    faults = {fault for data in events for fault in fhir_faults(mapper, data)}
    assert {fault.split(": ")[1] for fault in faults} <= (
        {"code is missing"} if source == "corpus" else set()
    )


def test_an_admission_is_told_in_words_of_the_domain() -> None:
    data = event_of(shipped("patient-encounter"), golden("admission"))
    assert (data["kind"], data["visit"]["class"]) == ("admitted", "inpatient")
    assert data["visit"]["attending"][0]["family"] == "Exemple"
    assert data["patient"]["sex"] == "female"
    assert [each["relationship"]["text"] for each in data["contacts"]] == ["Spouse", "Mother"]
    assert [each["category"] for each in data["allergies"]] == ["drug", "food"]
    assert data["allergies"][0]["reactions"] == [{"text": "Urticaire"}, {"text": "Œdème"}]
    assert data["diagnoses"][0]["code"]["system"] == "icd-10"
    assert data["coverages"][0]["policyNumber"] == "P-4401"


@pytest.mark.parametrize(
    ("trigger", "event_type"),
    [
        ("A01", "patient-registered"),
        ("A02", "patient-modified"),
        ("A03", "consultation-completed"),
        ("A04", "patient-registered"),
        ("A08", "patient-modified"),
        ("A11", "patient-modified"),
        ("A28", "patient-registered"),
        ("A31", "patient-modified"),
        ("A40", "patient-merged"),
    ],
)
def test_the_trigger_says_which_event_it_is(trigger: str, event_type: str) -> None:
    mapper = shipped("patient-encounter")
    assert mapper.event_type(event_of(mapper, INVENTED[trigger][0])) == event_type


def test_an_admission_is_a_patient_an_encounter_and_what_hangs_on_them() -> None:
    kinds = [entry["resource"]["resourceType"] for entry in bundle_of("admission")["entry"]]
    assert kinds[0] == "MessageHeader"
    wanted = "Patient Encounter RelatedPerson Condition AllergyIntolerance Coverage Practitioner Location"
    assert set(wanted.split()) <= set(kinds)


@pytest.mark.parametrize(
    ("name", "status"),
    [("admission", "in-progress"), ("discharge", "finished"), ("admission-cancelled", "cancelled")],
)
def test_fhir_has_the_status_of_the_stay(name: str, status: str) -> None:
    (encounter,) = resources(bundle_of(name), "Encounter")
    assert encounter["status"] == status


def test_a_merge_leaves_one_patient_that_replaces_the_other() -> None:
    bundle = bundle_of("merge")
    patients = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    kept_one, gone = resources(bundle, "Patient")
    assert (gone["active"], gone["identifier"][0]["value"]) == (False, "TEST-0009")
    assert kept_one["link"][0]["type"] == "replaces"
    assert patients[kept_one["link"][0]["other"]["reference"]] is gone


def test_a_deletion_is_null_in_the_event_and_comes_back_through_fhir() -> None:
    mapper = shipped("patient-encounter")
    body = golden("update")
    patient = event_of(mapper, body)["patient"]
    assert (patient["aliases"], patient["maritalStatus"]) == (None, {"code": None})
    assert around(mapper, body) == body


def test_a_new_room_changes_the_place_and_nothing_else() -> None:
    mapper = shipped("patient-encounter")
    body = golden("update")
    decoded = mapper.get("v2", parse(body), zone=ZONE)
    data = changed(decoded.data, "visit.location.bed", "C")
    made = write(mapper.put("v2", data, decoded.complement, zone=ZONE))
    assert made == body.replace(b"4N^414^B^CHUX", b"4N^414^C^CHUX")


def test_an_identifier_that_is_added_leaves_the_others_as_they_were() -> None:
    mapper = shipped("patient-encounter")
    body = golden("person-added")
    decoded = mapper.get("v2", parse(body), zone=ZONE)
    identifiers = [{"value": "NEW-1", "type": "MR"}, *decoded.data["patient"]["identifiers"]]
    data = changed(decoded.data, "patient.identifiers", identifiers)
    made = write(mapper.put("v2", data, decoded.complement, zone=ZONE))
    assert made == body.replace(b"|TEST-0003^", b"|NEW-1^^^^MR~TEST-0003^")


def test_a_hospitals_own_segments_are_mapped_by_extending_and_the_rest_of_them_stays() -> None:
    mapper = shipped("patient-encounter-hsj")
    body = (GOLDEN.parent / "patient-encounter-hsj" / "z-segments" / "message.hl7").read_bytes()
    data = event_of(mapper, body)
    assert (data["patient"]["wardCategory"], data["patient"]["parish"]) == ("internal", "Saint-Roch")
    assert data["visit"]["nightContact"]["number"] == "418-555-0160"
    moved = write(
        mapper.put(
            "v2", changed(data, "patient.parish", "Limoilou"), mapper.get("v2", parse(body)).complement
        )
    )
    assert moved == body.replace(b"Saint-Roch", b"Limoilou")
    assert "parish" not in event_of(shipped("patient-encounter"), body)["patient"]


def test_a_patient_that_comes_as_fhir_leaves_as_a_message() -> None:
    mapper = shipped("patient-encounter")
    data = mapper.get("fhir", bundle_of("admission"), zone=ZONE).data
    made = write(mapper.put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode()
    assert made.startswith("MSH|^~\\&|")
    assert "|ADT^A01" in made
    assert "|I|4N^412^A^CHUX^^N^Pavillon B^4|" in made
    assert [line[:5] for line in made.split("\r") if line.startswith("AL1")] == ["AL1|1", "AL1|2"]


def test_the_event_carries_nearly_all_of_a_message() -> None:
    mapper = shipped("patient-encounter")
    assert kept(mapper, [body for bodies in INVENTED.values() for body in bodies]) > 0.98
    assert not FOUND or kept(mapper, FOUND.values()) > 0.95


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for kind in ("Patient", "Encounter", "RelatedPerson", "Condition", "AllergyIntolerance", "Coverage")
        for path in (CORPUS / "fhir-r4").glob(f"{kind}-*.json")
    ),
    ids=lambda path: path.stem,
)
def test_a_resource_of_another_system_comes_back_as_it_was(path: Path) -> None:
    mapper = shipped("patient-encounter")
    example = json.loads(path.read_text(), parse_float=str)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": example}]}
    decoded = mapper.get("fhir", bundle, zone=ZONE)
    assert mapper.put("fhir", decoded.data, decoded.complement, zone=ZONE)["entry"][0]["resource"] == example
    assert structural_faults(mapper.put("fhir", decoded.data, zone=ZONE)) == ()
