"""The official R4 examples: without a structural fault, and the same JSON after decoding and encoding."""

from __future__ import annotations

import json
from typing import Any

from engine.codecs.fhir import CODEC, structural_faults
from engine.codecs.json import read_json
from tests.codecs.fhir.samples import examples
from tests.codecs.values import message

PUBLISHED_FAULTS = {
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json": ("Bundle.entry[3].fullUrl", "bundle"),
    "MedicationRequest-medrx0301.json": (
        "MedicationRequest.dispenseRequest.performer.reference",
        "reference",
    ),
    "Observation-clinical-gender.json": ("Observation.performer[0].reference", "reference"),
}
"""Faults of the examples themselves: a fullUrl that ends in `pat12` over a Patient whose id is `pat2`; a dispenser that
is a Practitioner, where R4 wants an Organization; a performer that is an Encounter."""


def as_texts(raw: bytes) -> Any:
    """Return a JSON value in which each number is the text that stood there."""
    return json.loads(raw, parse_float=lambda text: f"number {text}", parse_int=lambda text: f"number {text}")


def test_no_example_has_a_fault_but_those_that_were_published_with_one() -> None:
    found = {
        name: tuple((fault.path, fault.code) for fault in faults)
        for name, raw in examples().items()
        if (faults := structural_faults(read_json(raw)))
    }
    assert found == {name: (fault,) for name, fault in PUBLISHED_FAULTS.items() if name in examples()}


def test_every_example_is_the_same_json_after_decoding_and_encoding() -> None:
    changed = [
        name
        for name, raw in examples().items()
        if as_texts(CODEC.encode(CODEC.decode(message(raw)))) != as_texts(raw)
    ]
    assert changed == []
