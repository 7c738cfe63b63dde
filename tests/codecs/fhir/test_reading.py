"""The codec `fhir`: resources as plain JSON, nothing lost, nothing that two readers could understand in two ways."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs import codec
from engine.codecs.fhir import CODEC
from engine.errors import MalformedMessage, Rejected
from tests.codecs.fhir.samples import OBSERVATION, PATIENT
from tests.codecs.values import message


def test_the_codec_is_found_by_its_name() -> None:
    assert codec("fhir") is CODEC
    assert (CODEC.name, CODEC.content_type) == ("fhir", "application/fhir+json")


def test_a_resource_is_a_plain_json_object() -> None:
    document = CODEC.decode(message(PATIENT, content_type="application/fhir+json"))
    assert document.codec == "fhir"
    assert document.envelope is None
    assert document.root["name"][0]["given"] == ["Ida", None]


def test_decimals_leave_as_they_were_spelled() -> None:
    document = CODEC.decode(message(OBSERVATION))
    CODEC.path("Observation.note[0].text").set(document.root, "seen")
    written = CODEC.encode(document)
    assert b'"value":1.50' in written
    assert b'"low":{"value":1E2}' in written
    assert b'"high":{"value":100000000000000000000.0000001}' in written


def test_a_copy_is_changed_alone() -> None:
    document = CODEC.decode(message(PATIENT))
    other = document.copy()
    CODEC.path("Patient.name[0].family").set(other.root, "Korn")
    assert (document.root["name"][0]["family"], other.codec) == ("Kern", "fhir")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"[]", "no FHIR resource"),
        (b'{"id": "p"}', "no FHIR resource"),
        (b'{"resourceType": ""}', "no FHIR resource"),
        (b'{"resourceType": ["Patient"]}', "no FHIR resource"),
        (b'{"resourceType": "Patient", "id": "a", "id": "b"}', "twice"),
        (b'{"resourceType": "Patient"', "no JSON"),
        (b"<Patient xmlns='http://hl7.org/fhir'/>", "no JSON"),
        (b'{"resourceType": "Patient", "x": ' + b"[" * 80 + b"]" * 80 + b"}", "nested deeper"),
    ],
)
def test_what_is_no_resource_is_refused(raw: bytes, told: str) -> None:
    with pytest.raises(MalformedMessage, match=told):
        CODEC.decode(message(raw))


def test_a_cloud_event_is_no_resource_and_headers_make_none_of_one() -> None:
    assert CODEC.decode(message(PATIENT, headers={"ce-type": "x", "ce-specversion": "1.0"})).envelope is None
    with pytest.raises(MalformedMessage):
        CODEC.decode(message(b'{"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": {}}'))


@pytest.mark.parametrize("root", [{}, [], {"resourceType": 1}, {"resourceType": "Patient", "x": object()}])
def test_what_is_no_resource_is_not_written(root: Any) -> None:
    with pytest.raises(Rejected):
        CODEC.encode(CODEC.document(root))
