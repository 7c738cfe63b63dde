"""`passerelle map` over FHIR: documents made of messages, golden ones, and what FHIR alone carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoking import Shell
from tests.cli.test_map import EVENT, MAPPER, MESSAGE

FHIR = """\
fhir:
  bundle: none
  slots:
    Patient: {type: Patient}
events:"""
PLACES = {
    "events:": FHIR,
    "v2: M}": "v2: M, fhir: male}",
    "v2: F}": "v2: F, fhir: female}",
    "v2: PID-7,": "v2: PID-7, fhir: Patient.birthDate,",
    "v2: PID-8,": "v2: PID-8, fhir: Patient.gender,",
    "    v2: PID-5\n": "    v2: PID-5\n    fhir: Patient.name\n",
    "{event: family, v2: .1}": "{event: family, v2: .1, fhir: family}",
    "{event: given, v2: .2}": "{event: given, v2: .2, fhir: 'given[0]'}",
}


@pytest.fixture
def visit(shell: Shell) -> Shell:
    """A shell beside a mapper that has a FHIR side, and a message."""
    text = MAPPER
    for old, new in PLACES.items():
        text = text.replace(old, new, 1)
    (shell.folder / "mappings").mkdir()
    (shell.folder / "mappings" / "visit.yaml").write_text(text, encoding="utf-8")
    (shell.folder / "m.hl7").write_bytes(MESSAGE.encode())
    return shell


def golden(shell: Shell, **files: str) -> Path:
    folder = shell.folder / "mappings" / "golden" / "visit" / "admission"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


def test_fhir_is_made_of_a_message_over_the_event(visit: Shell) -> None:
    ended = visit("map", "run", "visit", "m.hl7", "--to", "fhir", "--json")
    assert ended.json["documents"][0]["type"] == "encounter-started"
    assert ended.json["documents"][0]["document"] == {
        "resourceType": "Patient",
        "name": [{"family": "Essai", "given": ["Zoe"]}],
        "gender": "female",
        "birthDate": "1980-01-31",
    }


def test_an_event_of_several_sides_has_to_say_which(visit: Shell) -> None:
    (visit.folder / "e.json").write_text(json.dumps(EVENT), encoding="utf-8")
    ended = visit("map", "run", "visit", "e.json")
    assert (ended.code, "visit leads to fhir and v2: say --to" in ended.err) == (2, True)


def test_a_golden_fhir_document_that_differs_is_told_by_its_path(visit: Shell) -> None:
    fhir = {"resourceType": "Patient", "gender": "male"}
    golden(visit, event=json.dumps(EVENT), fhir=json.dumps(fhir))
    ended = visit("map", "check", "visit", "--events", "0")
    assert ended.code == 1
    assert 'fhir.json, made of event.json: gender: expected "male", found "female"' in ended.out


def test_what_fhir_carries_alone_is_counted_apart(visit: Shell) -> None:
    found = visit("map", "coverage", "visit", "m.hl7", "--json").json["types"]["ADT^A01"]
    # of message.id, trigger, two names, date, sex and ward, FHIR has four
    assert found["fhir_of_event"] == pytest.approx(4 / 7, abs=0.001)


def test_all_laws_of_both_sides_are_tried(visit: Shell) -> None:
    ended = visit("map", "check", "visit", "--events", "60", "--json")
    assert ended.code == 0, ended.out


def test_a_message_comes_back_whole_over_fhir_where_its_event_is_stored(visit: Shell) -> None:
    found = visit("map", "coverage", "visit", "m.hl7", "--json").json["types"]["ADT^A01"]
    assert (found["byte_exact"], found["byte_exact_over_fhir"]) == (1, 1)
