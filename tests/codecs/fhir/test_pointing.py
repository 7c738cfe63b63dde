"""References one by one: how far their text or the document tells what they lead to, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir.findings import Enough, Findings, Scope
from engine.codecs.fhir.pointing import check_reference

PATIENT = "urn:uuid:0b9c4c0e-7f4f-4a53-9d0a-1d6c6a6f0001"
NOBODY = "urn:uuid:0b9c4c0e-7f4f-4a53-9d0a-1d6c6a6f0002"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "message",
    "entry": [{"fullUrl": PATIENT, "resource": {"resourceType": "Patient", "id": "p"}}],
}
AT = ((None, "Condition"), "subject")


def said(
    value: dict[str, Any], targets: tuple[str, ...] = (), *, closed: bool | None = None
) -> list[tuple[str, str]]:
    """Return path and text of what is found; `closed` puts the reference into the Bundle."""
    found = Findings(20)
    if closed is not None:
        found.scope = Scope(BUNDLE, closed, {"resourceType": "Condition"})
    check_reference(value, AT, targets, found)
    assert {fault.code for fault in found.faults} <= {"reference"}
    return [(fault.path, fault.text) for fault in found.faults]


def refers(text: str, **more: Any) -> dict[str, Any]:
    return {"reference": text, **more}


# --------------------------------------------------------------------------- within a Bundle


def test_an_entry_tells_what_it_is() -> None:
    assert said(refers(PATIENT), ("Patient",), closed=True) == []
    assert said(refers(PATIENT), ("Group", "Device"), closed=True) == [
        ("Condition.subject.reference", "leads to Patient, R4 wants Group or Device")
    ]


def test_a_urn_must_lead_to_an_entry_only_where_the_document_is_complete() -> None:
    wrong = [("Condition.subject.reference", "no entry of the Bundle has this fullUrl")]
    assert said(refers(NOBODY), ("Patient",), closed=True) == wrong
    assert said(refers(NOBODY), ("Patient",), closed=False) == []
    assert said(refers(NOBODY), ("Patient",)) == []


def test_what_lives_on_a_server_may_be_outside_of_a_complete_document() -> None:
    assert said(refers("Patient/elsewhere"), ("Patient",), closed=True) == []
    assert said(refers("https://x.example/fhir/Patient/1"), ("Patient",), closed=True) == []


def test_a_contained_resource_that_is_not_there_is_told_once() -> None:
    assert said(refers("#x", type="Group"), ("Patient",), closed=True) == [
        ("Condition.subject.reference", "no contained resource has this id"),
        ("Condition.subject.type", "says Group, R4 wants Patient"),
    ]


# --------------------------------------------------------------------------- by its text alone


@pytest.mark.parametrize(
    "text",
    [
        "Patient/1",
        "Patient/1/_history/2",
        "Patient/" + "a" * 64,
        "http://x.example/Patient/1#part",
        "Patient?identifier=urn:x|1",
        "https://x.example/",
        "https://x.example/fhir/NoSuchType/1",
        "urn:oid:1.2.3",
        "mailto:nobody@example.org",
    ],
)
def test_what_may_lead_to_a_patient_is_left_alone(text: str) -> None:
    assert said(refers(text), ("Patient",)) == []


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "Patient",
        "patient/1",
        "Patient/",
        "Patient/" + "a" * 65,
        "NoSuchType/1",
        "NoSuchType?x=1",
        "a b",
        "/Patient/1",
    ],
)
def test_what_is_no_reference_is_told_with_its_forms(text: str) -> None:
    assert said(refers(text), ("Patient",)) == [
        ("Condition.subject.reference", "this is no reference: Type/id, #id, urn:uuid: or an absolute URL")
    ]


@pytest.mark.parametrize(
    "text", ["Device/1", "Device?identifier=1", "https://x.example/fhir/Device/1/_history/3"]
)
def test_a_type_that_r4_does_not_want_is_told_with_those_it_wants(text: str) -> None:
    assert said(refers(text), ("Patient", "Group")) == [
        ("Condition.subject.reference", "leads to Device, R4 wants Patient or Group")
    ]
    assert said(refers(text)) == []


# --------------------------------------------------------------------------- what `type` says


def test_a_type_that_contradicts_the_reference_is_told_at_the_type() -> None:
    assert said(refers("Patient/1", type="Group"), ("Patient", "Group")) == [
        ("Condition.subject.type", "says Group, the reference leads to Patient")
    ]


def test_a_type_beside_an_identifier_must_be_one_that_r4_wants() -> None:
    assert said({"identifier": {"value": "1"}, "type": "Group"}, ("Patient",)) == [
        ("Condition.subject.type", "says Group, R4 wants Patient")
    ]
    assert said({"identifier": {"value": "1"}, "type": "Patient"}, ("Patient",)) == []


@pytest.mark.parametrize("kind", ["http://x.example/own", "NoSuchType", 7, None, ["Patient"]])
def test_a_type_that_r4_does_not_name_is_somebody_elses_matter(kind: object) -> None:
    assert said({"reference": "Patient/1", "type": kind}, ("Patient",)) == []


@pytest.mark.parametrize(
    "value", [{}, {"reference": ""}, {"reference": None}, {"reference": 1}, {"display": "x"}]
)
def test_what_refers_to_nothing_is_left_to_the_check_of_forms(value: dict[str, Any]) -> None:
    assert said(value, ("Patient",)) == []


def test_the_last_fault_that_is_wanted_ends_the_check() -> None:
    found = Findings(1)
    with pytest.raises(Enough):
        check_reference(refers("Device/1", type="Group"), AT, ("Patient",), found)
    assert [fault.path for fault in found.faults] == ["Condition.subject.reference"]
