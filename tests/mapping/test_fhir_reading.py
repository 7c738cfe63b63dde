"""What the generated functions read of FHIR is what the general ones, which walk over the plan, read of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.mapping.fhir import reading as fhir_reading
from engine.mapping.fhir.bundle import Resources
from engine.mapping.fhir.side import FhirFormat, copied
from engine.mapping.fhir.taking import take_scope
from engine.mapping.fhir.values import Turn
from tests.mapping.test_fhir_emitting import GOLDEN, MAPPERS, SPOTS, _formats, _leaves
from tests.mapping.trips import CORPUS

ODD: list[Any] = [
    "",
    " ",
    "\n",
    "a b",
    None,
    True,
    0,
    1.5,
    "2026-01-14",
    "2026-01-14T09:30:00",
    [],
    {},
    [None],
    "#x",
]
"""What may stand in FHIR that somebody else wrote."""


def _walked(side: FhirFormat, document: Any, hole: str) -> tuple[Any, Any]:
    data: dict[str, Any] = {}
    rest = copied(document)
    take_scope(side._plan, None, {}, data, Resources(rest, side._ways, ""), Turn(data, "UTC", hole))
    return data, rest


def _same(side: FhirFormat, document: Any) -> None:
    data, complement = side.get(document, "UTC")
    assert (data, complement["rest"]) == _walked(side, document, complement["hole"])


def _documents(name: str) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted((GOLDEN / name).glob("*/fhir.json"))]


@pytest.mark.parametrize("name", MAPPERS)
def test_generated_and_general_functions_read_the_same(name: str) -> None:
    side = _formats(name)
    for document in _documents(name):
        _same(side, document)


@pytest.mark.parametrize("name", MAPPERS)
def test_they_read_the_same_of_what_others_write(name: str) -> None:
    side = _formats(name)
    for path in sorted((CORPUS / "fhir-r4").glob("*.json"))[::5]:
        _same(side, json.loads(path.read_text()))


@pytest.mark.parametrize("name", MAPPERS)
def test_they_read_the_same_of_odd_values(name: str) -> None:
    side = _formats(name)
    document = max(_documents(name), key=lambda one: len(_leaves(one)))
    leaves = _leaves(document)
    for number, (node, key) in enumerate(leaves[:: 1 + len(leaves) // (3 * SPOTS)]):
        kept, node[key] = node[key], ODD[number % len(ODD)]
        _same(side, document)
        node[key] = kept


def test_a_blank_name_of_which_an_extension_says_a_part() -> None:
    side = _formats("patient-encounter")
    event = {"patient": {"names": [{"family": " ", "familyPrefix": "van"}]}}
    document = side.put(event, None, "UTC", None)
    _same(side, document)
    assert side.get(document, "UTC")[0]["patient"]["names"] == event["patient"]["names"]


def test_when_too_much_was_compiled_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    side = _formats("appointment")
    document = _documents("appointment")[0]
    read = side.get(document, "UTC")
    monkeypatch.setattr(fhir_reading, "MOST_COMPILED", 0)
    assert side.get(document, "UTC") == read
    assert 0 < side._reader.compiled < 500
