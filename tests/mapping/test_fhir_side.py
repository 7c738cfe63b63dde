"""A mapper's FHIR side says all that its rules say, in resources that R4 allows, and gives them back."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.errors import Rejected
from engine.mapping.laws import merged
from tests.mapping.admissions import ADMISSIONS, EVENT
from tests.mapping.visits import mapper_of

ZONE = "America/Toronto"


def made(event: dict[str, Any]) -> dict[str, Any]:
    bundle: dict[str, Any] = ADMISSIONS.put("fhir", event, zone=ZONE)
    return bundle


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_an_event_comes_back_from_the_bundle_that_is_made_of_it() -> None:
    assert ADMISSIONS.get("fhir", made(EVENT), zone=ZONE).data == EVENT


def test_an_event_comes_back_in_another_zone() -> None:
    assert ADMISSIONS.get("fhir", made(EVENT), zone="Asia/Tokyo").data == EVENT


def test_the_bundle_is_what_r4_allows() -> None:
    assert structural_faults(made(EVENT)) == ()


def test_the_same_event_makes_the_same_ids() -> None:
    assert made(EVENT) == made(copy.deepcopy(EVENT))
    urls = [entry["fullUrl"] for entry in made(EVENT)["entry"]]
    assert len(set(urls)) == len(urls)


def test_references_lead_to_the_entries() -> None:
    bundle = made(EVENT)
    urls = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    report, second = resources(bundle, "DiagnosticReport")
    assert [urls[one["reference"]]["code"]["coding"][0]["code"] for one in report["result"][:3]] == [
        "a",
        "b",
        "c",
    ]
    assert urls[report["basedOn"][0]["reference"]]["identifier"] == [{"value": "p1"}]
    assert "result" not in second
    [encounter] = resources(bundle, "Encounter")
    names = [urls[one["individual"]["reference"]]["name"][0]["family"] for one in encounter["participant"]]
    assert names == ["DOC", "AUTRE"]
    assert {one["patient"]["reference"] for one in resources(bundle, "RelatedPerson")} == {
        encounter["subject"]["reference"]
    }


def test_what_fhir_cannot_say_goes_beside_and_what_it_can_does_not() -> None:
    bundle = made(EVENT)
    [patient] = resources(bundle, "Patient")
    assert (patient["gender"], patient["birthDate"]) == ("other", "1970-01-31")
    assert patient["_gender"]["extension"][0]["valueString"] == "ambiguous"
    assert "deceasedBoolean" not in patient
    assert bundle["timestamp"] == "2026-01-14T09:30:00-05:00"
    [first, *_] = resources(bundle, "Observation")
    assert first["valueQuantity"] == {"value": Decimal("5.50"), "unit": "mmol/L"}
    assert "extension" not in first


def test_a_bundle_that_was_read_is_written_as_it_was() -> None:
    bundle = made(EVENT)
    [patient] = resources(bundle, "Patient")
    patient["maritalStatus"] = {"text": "unmapped"}
    patient["name"].append({"text": "unmapped"})
    bundle["entry"].append(
        {"fullUrl": "urn:uuid:0", "resource": {"resourceType": "Basic", "code": {"text": "other"}}}
    )
    found = ADMISSIONS.get("fhir", bundle, zone=ZONE)
    before = copy.deepcopy(bundle)
    assert ADMISSIONS.put("fhir", found.data, found.complement, zone=ZONE) == bundle == before


def test_a_change_goes_where_its_rule_says_and_nowhere_else() -> None:
    found = ADMISSIONS.get("fhir", made(EVENT), zone=ZONE)
    event = copy.deepcopy(EVENT)
    event["reports"][0]["results"][0]["number"] = "6.1"
    event["patient"]["homePhones"] = []
    event["patient"]["sex"] = "male"
    wanted = made(EVENT)
    [first, *_] = resources(wanted, "Observation")
    first["valueQuantity"]["value"] = Decimal("6.1")
    [patient] = resources(wanted, "Patient")
    patient["gender"] = "male"
    del patient["_gender"]
    patient["telecom"] = [one for one in patient["telecom"] if one["use"] != "home"]
    assert ADMISSIONS.put("fhir", event, found.complement, zone=ZONE) == wanted


def test_resources_follow_their_item_by_key_and_leave_with_it() -> None:
    bundle = made(EVENT)
    resources(bundle, "DiagnosticReport")[1]["conclusion"] = "kept"
    found = ADMISSIONS.get("fhir", bundle, zone=ZONE)
    event = copy.deepcopy(EVENT)
    del event["reports"][0]
    event["reports"].append({"filler": "f3", "results": [{"code": "new"}]})
    again = ADMISSIONS.put("fhir", event, found.complement, zone=ZONE)
    kept, new = resources(again, "DiagnosticReport")
    assert (kept["conclusion"], new["identifier"][0]["value"]) == ("kept", "f3")
    assert ADMISSIONS.get("fhir", again, zone=ZONE).data == event


def test_a_resource_that_stands_alone_is_read_and_written() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "gender": "female",
        "name": [{"family": "ESSAI"}],
        "active": True,
    }
    found = ADMISSIONS.get("fhir", patient)
    assert found.data == {"patient": {"sex": "female", "names": [{"family": "ESSAI"}]}}
    assert ADMISSIONS.put("fhir", found.data, found.complement) == patient


def test_foreign_spellings_stay() -> None:
    patient = {
        "resourceType": "Patient",
        "birthDate": "1970",
        "deceasedDateTime": "2026-01-13T00:00:00Z",
        "gender": "robot",
    }
    found = ADMISSIONS.get("fhir", patient)
    assert found.data == {"patient": {"birthDate": "1970", "deathAt": "2026-01-13T00:00:00+00:00"}}
    assert ADMISSIONS.put("fhir", found.data, found.complement) == patient


def test_the_report_says_what_is_carried() -> None:
    bundle = made(EVENT)
    resources(bundle, "Patient")[0]["active"] = True
    report = ADMISSIONS.get("fhir", bundle, zone=ZONE).report
    assert "Patient.name[0].family" in report.mapped
    assert "Observation.valueQuantity.value" in report.mapped
    assert "Patient.active" in report.opaque


def test_a_value_outside_of_its_table_is_refused_by_its_path() -> None:
    with pytest.raises(Rejected) as refused:
        made({"patient": {"sex": "robot"}})
    assert refused.value.faults[0].path == "patient.sex"


def test_the_event_goes_through_all_three_and_back() -> None:
    message = ADMISSIONS.put("v2", EVENT)
    event = ADMISSIONS.get("v2", message).data
    assert event == EVENT
    assert ADMISSIONS.get("fhir", made(event), zone=ZONE).data == event


WITHOUT_PLACE = mapper_of("""
mapper: numbers
version: 1.0.0
v2: {messages: [ADT^A01]}
fhir: {bundle: collection, slots: {Patient: {type: Patient}}}
rules:
  - event: numbers[]
    v2: PID-3
    fhir: Patient.identifier
    rules: [{event: value, v2: .1, fhir: value}, {event: check, v2: .2}]
""")


def test_an_item_that_fhir_has_no_place_for_is_no_empty_object() -> None:
    told: dict[str, Any] = {"numbers": [{"check": "1"}, {"value": "7"}, {"check": "2"}]}
    bundle = WITHOUT_PLACE.put("fhir", told)
    assert structural_faults(bundle) == ()
    said = WITHOUT_PLACE.get("fhir", bundle).data
    assert said == {"numbers": [{"value": "7"}]}
    assert merged(told, said) == told
    assert structural_faults(WITHOUT_PLACE.put("fhir", {"numbers": [{"check": "1"}]})) == ()


def test_items_that_were_left_out_or_changed_are_not_put_back() -> None:
    stored = [{"a": "1"}, {"a": "2", "b": "3"}, {"a": "4"}]
    assert merged(stored, [{"a": "2"}, {"a": "5"}]) == [{"a": "2"}, {"a": "5"}]
    assert merged(stored, [{"a": "2"}]) == stored
