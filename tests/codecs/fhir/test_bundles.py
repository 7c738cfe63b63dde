"""The rules of Bundles: what entries need, which fullUrls they may have, what must come first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir import structural_faults

PATIENT = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
HEADER = {
    "resourceType": "MessageHeader",
    "eventUri": "http://x.example/event",
    "source": {"endpoint": "http://x.example/source"},
}


def found(bundle: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in structural_faults({"resourceType": "Bundle", **bundle})]


def entry(resource: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"resource": resource or {"resourceType": "Patient", "id": "p"}, **members}


REQUEST = {"method": "POST", "url": "Patient"}


@pytest.mark.parametrize(
    ("bundle", "faults"),
    [
        ({"type": "collection", "entry": [entry()]}, []),
        ({"type": "batch", "entry": [entry(request=REQUEST)]}, []),
        ({"type": "transaction", "entry": [entry()]}, ["Bundle.entry[0].request"]),
        ({"type": "collection", "entry": [entry(request=REQUEST)]}, ["Bundle.entry[0].request"]),
        ({"type": "transaction-response", "entry": [{"response": {"status": "201"}}]}, []),
        ({"type": "batch-response", "entry": [entry()]}, ["Bundle.entry[0].response"]),
        ({"type": "searchset", "total": 1, "entry": [entry(search={"mode": "match"})]}, []),
        ({"type": "collection", "total": 1}, ["Bundle.total"]),
        ({"type": "collection", "entry": [entry(search={"mode": "match"})]}, ["Bundle.entry[0].search"]),
        ({"type": "collection", "entry": [{"fullUrl": PATIENT}]}, ["Bundle.entry[0].resource"]),
        ({"type": "message", "entry": [entry(HEADER), entry()]}, []),
        ({"type": "message", "entry": [entry(), entry(HEADER)]}, ["Bundle.entry[0]"]),
        ({"type": "message"}, ["Bundle.entry[0]"]),
        ({"type": "document"}, ["Bundle.identifier", "Bundle.timestamp", "Bundle.entry[0]"]),
    ],
)
def test_a_bundle_has_what_its_type_asks_for(bundle: dict[str, Any], faults: list[str]) -> None:
    assert found(bundle) == [(path, "bundle") for path in faults]


@pytest.mark.parametrize(
    ("entries", "faults"),
    [
        ([entry(fullUrl=PATIENT)], []),
        ([entry(fullUrl="https://x.example/fhir/Patient/p")], []),
        ([entry(fullUrl="https://x.example/fhir/Patient/q")], [0]),
        ([entry(fullUrl="https://x.example/fhir/Group/p")], [0]),
        ([entry(fullUrl="Patient/p")], [0]),
        ([entry(fullUrl="https://x.example/fhir/Patient/p/_history/1")], [0]),
        ([entry(fullUrl=PATIENT), entry(fullUrl=PATIENT)], [1]),
        (
            [
                entry({"resourceType": "Patient", "id": "p", "meta": {"versionId": version}}, fullUrl=PATIENT)
                for version in "12"
            ],
            [],
        ),
    ],
)
def test_a_full_url_is_absolute_unique_and_its_resources_own(entries: list[Any], faults: list[int]) -> None:
    assert found({"type": "collection", "entry": entries}) == [
        (f"Bundle.entry[{index}].fullUrl", "bundle") for index in faults
    ]


@pytest.mark.parametrize(
    ("kind", "url", "faults"),
    [
        ("message", PATIENT, []),
        ("message", "urn:uuid:00000000-ec9a-4326-a141-556f43239520", ["reference"]),
        ("collection", "urn:uuid:00000000-ec9a-4326-a141-556f43239520", []),
    ],
)
def test_a_closed_bundle_has_what_its_references_lead_to(kind: str, url: str, faults: list[str]) -> None:
    slot = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": url},
        "payor": [{"display": "a"}],
    }
    bundle = {"type": kind, "entry": [entry(HEADER), entry(slot), entry(fullUrl=PATIENT)]}
    assert found(bundle) == [("Bundle.entry[1].resource.beneficiary.reference", fault) for fault in faults]


def test_an_entry_of_the_wrong_type_is_found_behind_its_url() -> None:
    flag = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"code": "AMB"},
        "subject": {"reference": PATIENT},
    }
    bundle = {
        "type": "collection",
        "entry": [
            entry(flag),
            entry(
                {
                    "resourceType": "Slot",
                    "schedule": {"reference": "Schedule/1"},
                    "status": "free",
                    "start": "2026-01-14T09:00:00Z",
                    "end": "2026-01-14T09:30:00Z",
                },
                fullUrl=PATIENT,
            ),
        ],
    }
    assert found(bundle) == [("Bundle.entry[0].resource.subject.reference", "reference")]


def test_references_to_contained_resources_stay_within_their_entry() -> None:
    def holding(name: str) -> dict[str, Any]:
        return {
            "resourceType": "Encounter",
            "status": "planned",
            "class": {"code": "AMB"},
            "contained": [{"resourceType": "Patient", "id": name}],
            "subject": {"reference": "#a"},
        }

    bundle = {"type": "collection", "entry": [entry(holding("a")), entry(holding("b"))]}
    assert found(bundle) == [("Bundle.entry[1].resource.subject.reference", "reference")]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "it", "resource": holding("a")}]}
    assert structural_faults(parameters) == ()
