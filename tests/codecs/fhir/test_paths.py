"""Paths into FHIR resources read and write as those of JSON do, and R4 has what they name."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir import CODEC
from engine.errors import ExpressionError, Rejected


def patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "p",
        "name": [
            {"use": "official", "family": "Kahn"},
            {"use": "usual", "family": "Kern", "given": ["Ida", "B"]},
        ],
        "extension": [
            {"url": "http://x.example/one", "valueString": "1"},
            {"url": "http://x.example/two", "valueInteger": 2},
        ],
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Patient.id", "p"),
        ("id", "p"),
        ("resourceType", "Patient"),
        ("Patient.resourceType", "Patient"),
        ("Patient.name[0].family", "Kahn"),
        ('Patient.name[use == "usual"].given[1]', "B"),
        ('name[.use == "usual"].family', "Kern"),
        ("Patient.name[*].family", ["Kahn", "Kern"]),
        ('Patient.extension[url == "http://x.example/two"].valueInteger', 2),
        ("Patient.birthDate", ""),
        ("Patient.contact[0].name.family", ""),
        ("Observation.id", ""),
        ("extension[0].valueString", "1"),
        ("_birthDate.id", ""),
    ],
)
def test_a_path_reads(path: str, value: Any) -> None:
    assert CODEC.path(path).get(patient()) == value


def test_a_path_reads_nothing_from_what_is_no_resource() -> None:
    read = CODEC.path("Patient.id").get
    roots: list[Any] = [None, "Patient", [], {}, 3]
    assert [read(root) for root in roots] == [""] * 5


def test_entries_of_a_bundle_are_found_by_their_type() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Slot", "id": "s"}}, {"resource": patient()}],
    }
    path = CODEC.path('Bundle.entry[.resource.resourceType == "Patient"].resource.name[0].family')
    assert path.get(bundle) == "Kahn"
    assert CODEC.path("Bundle.entry[*].resource.id").get(bundle) == ["s", "p"]


def test_a_path_writes_and_removes_in_place() -> None:
    root = patient()
    CODEC.path("Patient.name[1].family").set(root, "Korn")
    CODEC.path("Patient.contact[0].name.family").set(root, "Kurz")
    CODEC.path("Patient.extension[0]").remove(root)
    assert root["name"][1]["family"] == "Korn"
    assert root["contact"] == [{"name": {"family": "Kurz"}}]
    assert [item["url"] for item in root["extension"]] == ["http://x.example/two"]


def test_a_path_of_another_type_writes_nothing() -> None:
    root = patient()
    CODEC.path("Observation.id").remove(root)
    with pytest.raises(Rejected, match="the resource is no Observation"):
        CODEC.path("Observation.status").set(root, "final")
    assert root == patient()


@pytest.mark.parametrize(
    ("path", "offset", "message"),
    [
        ("Patiant.name", 0, "no resource Patiant"),
        ("Patient", 0, "ends at a resource type"),
        ("Patient[0]", 0, "ends at a resource type"),
        ("Patient.name[0].familly", 16, "no familly in HumanName"),
        ("Patient.name.family", 11, "name repeats"),
        ("Patient.birthDate[0]", 17, "does not repeat"),
        ("Patient.birthDate.year", 18, "no year in Patient.birthDate"),
        ("Patient.deceased", 8, "no deceased in Patient"),
        ('Patient.name[usage == "usual"].family', 13, "no usage in HumanName"),
        ('Observation.category[.coding.code == "vital-signs"].text', 22, "coding repeats"),
        ("Patient._name", 8, "no _name in Patient"),
        ("Patient.name[0", 12, "never closed"),
        ("Bundle.entry[0].resource.nmae", 25, "no element nmae"),
        ('Bundle.entry[.resource.resourceType == "Patiant"].resource.id', 40, "no resource Patiant"),
        ('Bundle.entry[.resource.resourceType == "Slot"].resource.name', 56, "no name in Slot"),
        ('Patient.contained[resourceType == "Organization"].family', 50, "no family in Organization"),
        ("msg.Patient.id", 0, "no element msg"),
        ("name[0].familly", 8, "no element familly"),
        ("subject._referense", 8, "no element _referense"),
    ],
)
def test_what_r4_does_not_have_is_refused_where_it_stands(path: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        CODEC.path(path)
    assert caught.value.offset == offset


def test_a_contained_resource_is_found_by_its_type() -> None:
    root = patient() | {"contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}]}
    assert CODEC.path('Patient.contained[resourceType == "Organization"].name').get(root) == "Clinic"
    assert CODEC.path("Patient.contained[0].name").get(root) == "Clinic"
    within = CODEC.path('Bundle.entry[.resource.resourceType == "Patient"].resource.contained[0].name')
    assert within.get({"resourceType": "Bundle", "entry": [{"resource": root}]}) == "Clinic"


def test_siblings_of_primitive_values_have_paths() -> None:
    root = patient() | {
        "_birthDate": {"extension": [{"url": "http://x.example/why", "valueCode": "unknown"}]}
    }
    path = CODEC.path('Patient._birthDate.extension[url == "http://x.example/why"].valueCode')
    assert path.get(root) == "unknown"


def test_a_path_ends_where_the_expression_goes_on() -> None:
    text = 'Patient.name[use == "usual"].family == "Kern"'
    assert text[: CODEC.path_extent(text, 0)] == 'Patient.name[use == "usual"].family'
