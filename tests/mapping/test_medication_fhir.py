"""Orders and dispenses of the mapper `medication` as FHIR R4: MedicationRequest, MedicationDispense, and back."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_pharmacy import dispenses, prescriptions
from tests.mapping.trips import (
    ROOT,
    ZONE,
    around,
    corpus,
    event_of,
    fhir_faults,
    shipped,
)

GOLDEN = ROOT / "mappings" / "golden" / "medication"
INVENTED = {f"invented-{n}": text.encode() for n, text in enumerate([*prescriptions(), *dispenses()])}
MESSAGES = {**INVENTED, **dict(corpus("RDE_O11", "RDE_O01", "RDS_O13"))}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_fhir_byte_for_byte(name: str) -> None:
    assert around(shipped("medication"), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_bundle_meets_r4(name: str) -> None:
    mapper = shipped("medication")
    assert fhir_faults(mapper, event_of(mapper, MESSAGES[name])) == []


def test_what_was_asked_for_and_what_the_pharmacy_made_of_it_are_two_requests() -> None:
    mapper = shipped("medication")
    bundle = mapper.put("fhir", event_of(mapper, golden("infusion-with-components")), zone=ZONE)
    requests = {each["intent"]: each for each in resources(bundle, "MedicationRequest")}
    assert set(requests) == {"original-order", "filler-order"}
    urls = {entry["resource"].get("intent"): entry["fullUrl"] for entry in bundle["entry"]}
    assert requests["filler-order"]["basedOn"] == [{"reference": urls["original-order"]}]
    ingredients = requests["filler-order"]["contained"][0]["ingredient"]
    assert [each["itemCodeableConcept"]["coding"][0]["code"] for each in ingredients] == ["1807632", "8588"]


def test_a_dose_keeps_its_digits_in_fhir() -> None:
    mapper = shipped("medication")
    bundle = mapper.put("fhir", event_of(mapper, golden("dispense-without-its-order")), zone=ZONE)
    (dispense,) = resources(bundle, "MedicationDispense")
    assert str(dispense["quantity"]["value"]) == "1.50"


def test_a_dispense_that_is_made_from_fhir_alone_is_an_rds() -> None:
    mapper = shipped("medication")
    bundle = mapper.put("fhir", event_of(mapper, golden("first-fill-dispensed")), zone=ZONE)
    data = mapper.get("fhir", bundle, zone=ZONE).data
    made = write(mapper.put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode()
    assert "|RDS^O13" in made.split("\r")[0]
    assert "\rRXD|" in made and "|LOT417|20271231|" in made
