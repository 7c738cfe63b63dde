"""Another reader of FHIR judges the same resources: fhir.resources, R4B, whose classes we never use otherwise.

Known differences: it knows R4B (4.3), in which the resources of evidence, of substances and of medicinal products are
others; it looks at no code list, no target of a reference, no empty list or object and no null, and at the form of few
texts. In what it does look at - elements, choices, cardinality - it agrees.
"""

from __future__ import annotations

from random import Random

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from engine.codecs.json import write_json
from tests.codecs.fhir.making import faults, resource
from tests.codecs.fhir.samples import examples

MAPPED = [
    "AllergyIntolerance",
    "Appointment",
    "Bundle",
    "ChargeItem",
    "Condition",
    "Coverage",
    "DiagnosticReport",
    "Encounter",
    "Invoice",
    "Location",
    "MedicationDispense",
    "MedicationRequest",
    "MessageHeader",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "RelatedPerson",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "Task",
]
"""What the shipped mappers write, and what stands around it."""


def is_taken(raw: bytes, kind: str) -> bool:
    try:
        get_fhir_model_class(kind).model_validate_json(raw)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", MAPPED)
def test_what_we_find_no_fault_with_is_taken_by_the_other(kind: str) -> None:
    made = [resource(kind, Random(f"{kind} {seed}")) for seed in range(2)]
    assert [whole for whole in made if not is_taken(write_json(whole), kind)] == []


@pytest.mark.parametrize("kind", MAPPED)
def test_the_faults_that_the_other_looks_for_are_faults_to_both(kind: str) -> None:
    random = Random(kind)
    made = [one for one in faults(resource(kind, random)) if one.code in ("unknown", "cardinality", "choice")]
    taken = [
        one for one in random.sample(made, min(12, len(made))) if is_taken(write_json(one.resource()), kind)
    ]
    assert [(one.how, one.path) for one in taken] == []


def test_the_examples_are_taken_by_the_other_too() -> None:
    refused = [name for name, raw in examples().items() if not is_taken(raw, name.partition("-")[0])]
    assert refused == []
