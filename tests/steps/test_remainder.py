"""What one format has no place for is kept and laid under what returns; what it could say and did not, is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config.two_way import two_way
from engine.mapping.two_way import TwoWayMapper
from engine.steps.remainder import Places, laid_under, places_of, remainder

MAPPER = r"""
mapper: visit
version: 1.0.0
v2: {messages: [ADT^A01], create: "MSH|^~\\&|\rPID|1\r"}
fhir: {bundle: none, slots: {Patient: {type: Patient}}}
events: patient-registered
rules:
  - {event: trigger, v2: MSH-9.2}
  - {event: patient.family, v2: PID-5.1, fhir: 'Patient.name[0].family'}
  - {event: patient.village, v2: PID-23}
  - {event: own.code, v2: ZPA-1}
  - {event: 'aliases[]', v2: PID-9.1}
  - event: patient.identifiers[]
    v2: PID-3
    fhir: Patient.identifier
    key: value
    rules: [{event: value, v2: .1, fhir: value}, {event: check, v2: .2}]
  - event: patient.phones[]
    v2: PID-13
    fhir: Patient.telecom
    rules: [{event: number, v2: .1, fhir: value}, {event: comment, v2: .9}]
"""
EVENT: dict[str, Any] = {
    "trigger": "A01",
    "aliases": ["Zo"],
    "own": {"code": "x"},
    "patient": {
        "family": "Roy",
        "village": "Wendake",
        "identifiers": [{"value": "1", "check": "a"}, {"value": "2"}, {"value": "3", "check": "c"}],
        "phones": [{"number": "555", "comment": "soir"}, {"number": "556"}],
    },
}
SAID = {
    "patient": {
        "family": "Roy",
        "identifiers": [{"value": "1"}, {"value": "2"}, {"value": "3"}],
        "phones": [{"number": "555"}, {"number": "556"}],
    }
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("project")
    (folder / "mappings").mkdir()
    (folder / "mappings" / "visit.yaml").write_text(MAPPER)
    mapper = two_way(Path(folder), "visit")
    assert isinstance(mapper, TwoWayMapper)
    return places_of(mapper.definition.scope, "fhir")


def back(places: Places, **patient: Any) -> dict[str, Any]:
    """Return the event that comes back where FHIR says something else of the patient."""
    said = {"patient": {**SAID["patient"], **patient}}
    return laid_under(said, remainder(EVENT, places), places)


def test_what_comes_back_unchanged_is_the_event_that_it_was(places: Places) -> None:
    assert back(places) == EVENT


def test_a_leaf_that_the_format_says_otherwise_is_changed(places: Places) -> None:
    changed = back(places, family="Gagnon")["patient"]
    assert (changed["family"], changed["village"]) == ("Gagnon", "Wendake")


def test_a_leaf_that_the_format_says_no_more_is_gone(places: Places) -> None:
    said = {"patient": {"identifiers": SAID["patient"]["identifiers"]}}
    made = laid_under(said, remainder(EVENT, places), places)["patient"]
    assert "family" not in made
    assert "phones" not in made
    assert made["village"] == "Wendake"


def test_what_belongs_to_an_item_follows_it_by_its_key(places: Places) -> None:
    made = back(places, identifiers=[{"value": "3"}, {"value": "new"}, {"value": "1"}])["patient"]
    assert made["identifiers"] == [
        {"value": "3", "check": "c"},
        {"value": "new"},
        {"value": "1", "check": "a"},
    ]


def test_without_a_key_nothing_is_laid_under_an_item_that_may_be_another(places: Places) -> None:
    made = back(places, phones=[{"number": "556"}])["patient"]
    assert made["phones"] == [{"number": "556"}]


def test_where_the_format_has_a_place_for_all_nothing_is_kept(places: Places) -> None:
    assert remainder(SAID, places) == {}


def test_neither_what_came_back_nor_what_was_kept_is_changed(places: Places) -> None:
    rest = remainder(EVENT, places)
    before = repr((SAID, rest))
    laid_under(SAID, rest, places)
    assert repr((SAID, rest)) == before
