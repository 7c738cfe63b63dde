"""What becomes of a FHIR document that came, when the event that is written into it says something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.mapping.fhir.leaves import NO_RAW, fhir_leaf_type
from engine.mapping.rules import Leaf
from tests.mapping.trips import shipped

PERSON = {"id": "7", "family": "Fictif"}


def _into(mapper: str, earlier: Any, event: Any) -> Any:
    """Return the document of one event with another written into it."""
    chosen = shipped(mapper)
    found = chosen.get("fhir", chosen.put("fhir", earlier))
    return chosen.put("fhir", event, found.complement)


def _types(document: Any) -> list[str]:
    return [entry["resource"]["resourceType"] for entry in document["entry"]]


@pytest.mark.parametrize(
    ("mapper", "earlier"),
    [
        ("appointment", {"people": [{"person": PERSON}]}),
        ("appointment", {"diagnoses": [{"clinicians": [PERSON]}]}),
        ("appointment", {"visit": {"attending": [PERSON]}}),
        ("invoice", {"coverages": [{"policyNumber": "P1", "company": {"number": "3"}}]}),
        ("laboratory-result", {"orders": [{"results": [{"observer": PERSON, "valueType": "text"}]}]}),
    ],
)
def test_what_is_gone_leaves_nothing_behind(mapper: str, earlier: Any) -> None:
    document = _into(mapper, earlier, {"patient": {"account": {"value": "A1"}}})
    assert "\\u001" not in json.dumps(document)
    assert "Practitioner" not in _types(document)
    assert structural_faults(document) == ()


def test_a_value_of_another_type_leaves_none_of_the_first() -> None:
    earlier = {"orders": [{"results": [{"valueType": "numeric", "value": {"number": "5"}}]}]}
    event = {"orders": [{"results": [{"valueType": "text", "value": {"text": "five"}}]}]}
    document = _into("laboratory-result", earlier, event)
    assert "\\u001" not in json.dumps(document)
    assert shipped("laboratory-result").get("fhir", document).data == event


def test_a_resource_that_two_places_refer_to_is_read_for_the_first_and_kept_as_it_is() -> None:
    refer = {"reference": "Practitioner/7"}
    document = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "resource": {
                    "resourceType": "Encounter",
                    "participant": [
                        {"type": [{"coding": [{"code": code}]}], "individual": refer}
                        for code in ("ATND", "REF")
                    ],
                }
            },
            {"resource": {"resourceType": "Practitioner", "id": "7", "name": [{"family": "Fictif"}]}},
        ],
    }
    mapper = shipped("appointment")
    found = mapper.get("fhir", document)
    assert found.data["visit"]["attending"] == [{"family": "Fictif"}]
    assert mapper.put("fhir", found.data, found.complement) == document


def test_a_second_place_of_a_leaf_makes_no_resource_in_a_document_that_came() -> None:
    slot = {"resourceType": "Slot", "status": "busy", "start": "2026-02-12T09:00:00-05:00"}
    mapper = shipped("appointment")
    found = mapper.get("fhir", slot)
    assert found.data["appointment"]["start"] == "2026-02-12T09:00:00-05:00"
    assert mapper.put("fhir", found.data, found.complement) == slot


def test_what_is_absent_says_the_same_of_what_it_must_have() -> None:
    document = shipped("appointment").put("fhir", {"appointment": {"id": "1"}})
    appointment = next(
        one["resource"] for one in document["entry"] if one["resource"]["resourceType"] == "Appointment"
    )
    absent = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
    assert appointment["participant"] == [{**absent, "_status": absent}]
    assert structural_faults(document) == ()


def test_an_item_that_a_reference_makes_has_what_it_must_have() -> None:
    document = shipped("appointment").put("fhir", {"message": {"receiverOrganization": {"id": "X"}}})
    assert structural_faults(document) == ()


def test_a_code_that_r4_does_not_allow_is_said_beside_the_element() -> None:
    kind = fhir_leaf_type(Leaf(("status",), "text", None), "code", codes=frozenset({"planned"}))
    assert kind.write("planned", "") == "planned"
    assert kind.write("over there", "") is NO_RAW


def test_what_was_made_absent_gives_way_to_a_reference() -> None:
    document = _into("appointment", {"appointment": {"id": "1"}}, {"patient": {"sex": "female"}})
    assert structural_faults(document) == ()
    assert shipped("appointment").get("fhir", document).data == {"patient": {"sex": "female"}}


def test_a_choice_that_is_null_comes_back() -> None:
    mapper = shipped("patient-encounter")
    event: Any = {"observations": [{"valueType": None}]}
    assert mapper.get("fhir", mapper.put("fhir", event)).data == event


_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
