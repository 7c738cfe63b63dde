"""What the structural check refuses, one rule of R4 a test, and what it lets pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.codecs.json import read_json

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
WHY = {"extension": [{"url": "http://x.example/why", "valueCode": "unknown"}]}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}


def found(resource: Any) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in structural_faults(resource)]


def observation(**members: Any) -> dict[str, Any]:
    return {**OBSERVATION, **members}


def patient(**members: Any) -> dict[str, Any]:
    return {**PATIENT, **members}


def test_a_sound_resource_has_no_fault() -> None:
    quantity = {"value": Decimal("1.50"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    assert found(observation(valueQuantity=quantity, effectiveDateTime="2026-01-14")) == []


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (None, "resource"),
        ([], "resource"),
        ({}, "resource.resourceType"),
        ({"resourceType": "Patiant"}, "Patiant.resourceType"),
        ({"resourceType": "DomainResource"}, "DomainResource.resourceType"),
        ({"resourceType": ["Patient"]}, "resource.resourceType"),
    ],
)
def test_what_is_no_resource_of_r4_is_refused(resource: Any, path: str) -> None:
    assert [name for name, _ in found(resource)] == [path]


def test_an_unknown_element_is_told_with_the_one_that_was_meant() -> None:
    (fault,) = structural_faults(patient(name=[{"familly": "K"}]))
    assert (fault.path, fault.code) == ("Patient.name[0].familly", "unknown")
    assert fault.text == "R4 has no such element in HumanName: family?"


def test_faults_come_in_the_order_of_the_document_and_no_more_than_asked() -> None:
    resource = patient(gender="m", birthDate="1.1.1970", active="yes")
    assert [fault.path for fault in structural_faults(resource, limit=2)] == [
        "Patient.gender",
        "Patient.birthDate",
    ]


def test_no_fault_quotes_a_value() -> None:
    secret = "Kowalski"
    resource = patient(
        gender=secret, birthDate=secret, active=secret, name=[{"use": secret, "given": secret}]
    )
    assert len(found(resource)) == 5
    assert not [fault for fault in structural_faults(resource) if secret in f"{fault.path}{fault.text}"]


def test_a_required_element_may_be_its_extension_only() -> None:
    absent = {"extension": [{"url": "http://x.example/absent", "valueCode": "unknown"}]}
    resource = {"resourceType": "Observation", "_status": absent, "code": {"text": "weight"}}
    assert found(resource) == []


@pytest.mark.parametrize(
    ("members", "faults"),
    [
        ({"given": ["Ida", None], "_given": [{"id": "a"}, WHY]}, []),
        ({"given": ["Ida", None], "_given": [None, {"id": "b"}]}, [("Patient.name[0]._given[1]", "empty")]),
        ({"_given": [WHY, None]}, []),
        ({"_given": [{"id": "a"}, None]}, [("Patient.name[0]._given[0]", "empty")]),
        ({"family": "K", "_family": {"id": "a b"}}, []),
        ({"family": "K", "_family": {"id": 1}}, [("Patient.name[0]._family.id", "type")]),
        ({"family": "K", "_family": {}}, [("Patient.name[0]._family", "empty")]),
        ({"given": ["Ida", None]}, [("Patient.name[0].given[1]", "type")]),
        ({"given": ["Ida", None], "_given": [{"id": "a"}, None]}, [("Patient.name[0].given[1]", "type")]),
        ({"given": ["Ida"], "_given": [None, WHY]}, [("Patient.name[0]._given", "cardinality")]),
        ({"given": ["Ida"], "_given": {"id": "a"}}, [("Patient.name[0]._given", "cardinality")]),
        ({"given": ["Ida"], "_given": [None]}, [("Patient.name[0]._given", "empty")]),
        ({"family": "K", "_family": {"value": "x"}}, [("Patient.name[0]._family.value", "unknown")]),
        ({"family": "K", "_family": []}, [("Patient.name[0]._family", "cardinality")]),
        ({"_period": {"id": "a"}}, [("Patient.name[0]._period", "unknown")]),
    ],
)
def test_siblings_stand_beside_primitive_values(
    members: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert found(patient(name=[members])) == faults


@pytest.mark.parametrize(
    ("members", "faults"),
    [
        ({"valueString": "a", "_valueString": {"id": "x"}}, []),
        ({"valueString": "a", "valueInteger": 1}, [("Observation", "choice")]),
        ({"valueString": "a", "_valueInteger": WHY}, [("Observation", "choice")]),
        ({"valueMoney": {"value": 1}}, [("Observation.valueMoney", "unknown")]),
        ({"value": "a"}, [("Observation.value", "unknown")]),
    ],
)
def test_a_choice_is_made_once_and_among_its_types(
    members: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert found(observation(**members)) == faults


@pytest.mark.parametrize(
    ("extension", "faults"),
    [
        ({"url": "http://x.example/e", "valueBoolean": False}, []),
        ({"url": "http://x.example/e", "extension": [{"url": "part", "valueString": "a"}]}, []),
        ({"url": "http://x.example/e"}, [("Patient.extension[0]", "extension")]),
        ({"valueString": "a"}, [("Patient.extension[0].url", "cardinality")]),
        (
            {
                "url": "http://x.example/e",
                "valueString": "a",
                "extension": [{"url": "part", "valueString": "a"}],
            },
            [("Patient.extension[0]", "extension")],
        ),
    ],
)
def test_an_extension_has_a_url_and_either_a_value_or_parts(
    extension: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert found(patient(extension=[extension])) == faults


def test_a_required_concept_needs_one_coding_of_its_value_set() -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/p"}}
    good = {"coding": [{"system": "http://x.example", "code": "x"}, {"system": system, "code": "active"}]}
    assert found({**condition, "clinicalStatus": good}) == []
    for wrong in (
        {"text": "active"},
        {"coding": [{"code": "active"}]},
        {"coding": [{"system": system, "code": "x"}]},
    ):
        assert found({**condition, "clinicalStatus": wrong}) == [("Condition.clinicalStatus", "binding")]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ({"reference": "Patient/1"}, None),
        ({"reference": "Patient/1/_history/2"}, None),
        ({"reference": "https://x.example/fhir/Group/1"}, None),
        ({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, None),
        ({"reference": "Patient?identifier=http://x.example|1"}, None),
        ({"reference": "https://x.example/some/page"}, None),
        ({"identifier": {"value": "1"}, "type": "Patient"}, None),
        ({"display": "somebody"}, None),
        ({"reference": "#p"}, None),
        ({"reference": "#nobody"}, "reference"),
        ({"reference": "Practitioner/1"}, "reference"),
        ({"reference": "https://x.example/fhir/Practitioner/1"}, "reference"),
        ({"reference": "Practitioner?identifier=1"}, "reference"),
        ({"reference": "#d"}, "reference"),
        ({"reference": "Nobody/1"}, "reference"),
        ({"reference": "1"}, "reference"),
        ({"reference": "Patient/1", "type": "Group"}, "reference"),
        ({"identifier": {"value": "1"}, "type": "Practitioner"}, "reference"),
    ],
)
def test_a_reference_leads_to_a_type_that_r4_wants(reference: dict[str, Any], code: str | None) -> None:
    resource = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"code": "AMB"},
        "contained": [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Practitioner", "id": "d"}],
        "subject": reference,
    }
    assert [fault for _, fault in found(resource)] == ([code] if code else [])


def test_contained_resources_have_ids_and_contain_nothing() -> None:
    inner = {"resourceType": "Patient", "contained": [{"resourceType": "Patient", "id": "x"}]}
    assert found(patient(contained=[inner])) == [
        ("Patient.contained[0].contained", "contained"),
        ("Patient.contained[0].id", "contained"),
    ]


def test_what_json_cannot_tell_apart_is_refused_as_r4_does() -> None:
    resource = read_json(
        b'{"resourceType": "Patient", "multipleBirthInteger": 1.0, "active": null, "name": []}'
    )
    assert found(resource) == [
        ("Patient.multipleBirthInteger", "type"),
        ("Patient.active", "type"),
        ("Patient.name", "empty"),
    ]


def test_a_quantity_without_comparator_is_told_from_others() -> None:
    limits = {"low": {"value": 1, "comparator": "<"}}
    assert found(observation(referenceRange=[limits])) == [
        ("Observation.referenceRange[0].low.comparator", "unknown")
    ]
    assert found(observation(valueQuantity={"value": 1, "comparator": "<"})) == []
