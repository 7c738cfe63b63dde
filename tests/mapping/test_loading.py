"""What is wrong with a mapper is told when it is loaded, with its line and column, and all of it at once."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError, Problem
from tests.mapping.admissions import ADMISSION, admission_of

BROKEN = {
    "an unknown key": (
        "yields_to: deathAt",
        "yield_to: deathAt",
        "yield_to",
        "unknown key",
    ),
    "a path that is none": (
        "v2: PID-8, fhir",
        "v2: PID8, fhir",
        "PID8",
        "no path of a message",
    ),
    "a leaf too deep": (
        "v2: NK1-2.1,",
        "v2: NK1-2.1.2.3,",
        "NK1-2.1.2.3",
        "deeper than a subcomponent",
    ),
    "two rules on one leaf": (
        "v2: PID-29",
        "v2: PID-30",
        "PID-30",
        "two rules on PID-30",
    ),
    "two rules on one event path": (
        "event: patient.deathAt",
        "event: patient.dead",
        "patient.dead",
        "two rules for the event",
    ),
    "a leaf in the repetitions of a list": (
        "v2: PID-29",
        "v2: PID-3.2",
        "PID-3.2",
        "repetitions",
    ),
    "a code with two meanings": (
        "ambiguous: {v2: A",
        "ambiguous: {v2: M",
        "ambiguous",
        "two meanings",
    ),
    "a code without a column": (
        "emergency: {v2: E, fhir: EMER}",
        "emergency: {v2: E}",
        "table: class",
        "no fhir code",
    ),
    "a table that is not there": (
        "table: sex",
        "table: sexes",
        "sexes",
        "no table sexes",
    ),
    "a type that is not there": (
        "PID-7, fhir: Patient.birthDate, type: ts",
        "PID-7, fhir: Patient.birthDate, type: tss",
        "tss",
        "no type tss",
    ),
    "an element that R4 has not": (
        "Patient.gender",
        "Patient.sex",
        "sex",
        "R4 has no element Patient.sex",
    ),
    "a type that does not fit": (
        "Encounter.period.start, type: ts",
        "Encounter.period.start",
        "start",
        "the rule needs type: ts",
    ),
    "a list without an index": (
        "'Mother.name[0].family'",
        "Mother.name.family",
        "name",
        "is a list in R4",
    ),
    "an index on what is no list": (
        "Patient.birthDate",
        "'Patient.birthDate[0]'",
        "birthDate",
        "is no list in R4",
    ),
    "an object for a leaf": (
        "fhir: Encounter.class.code",
        "fhir: Encounter.class",
        "class",
        "no value",
    ),
    "a resource that R4 has not": (
        "type: RelatedPerson, each",
        "type: RelatedPersons, each",
        "RelatedPersons",
        "no resource RelatedPersons",
    ),
    "a reference to what it may not lead to": (
        "refs: {subject: Patient}}",
        "refs: {subject: Header}}",
        "refs",
        "not to MessageHeader",
    ),
    "a slot that is not there": (
        "'Mother.name[0].family'",
        "'Mothers.name[0].family'",
        "Mothers",
        "no slot Mothers",
    ),
    "a condition on no leaf": (
        "fhir: valueQuantity.unit, when: {type: numeric}",
        "fhir: valueQuantity.unit, when: {types: numeric}",
        "",
        "no leaf types",
    ),
    "a condition on no code": (
        "when: {type: [text, note]}",
        "when: {type: [text, notes]}",
        "",
        "has no notes",
    ),
    "a shape that is not there": (
        "shape: name}",
        "shape: names}",
        "names",
        "no shape names",
    ),
    "a key that is no leaf": (
        "key: filler",
        "key: fillers",
        "fillers",
        "no leaf fillers",
    ),
    "a message that says something of its own": (
        "|||||||ADT|||2.5.1",
        "|||||||ADT|ID|||2.5.1",
        "create",
        "holds values where rules read",
    ),
}


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as refused:
        admission_of(text)
    return refused.value.problems


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_mapper_is_refused_where_it_is_broken(kind: str) -> None:
    right, wrong, marked, told = BROKEN[kind]
    assert right in ADMISSION
    text = ADMISSION.replace(right, wrong, 1)
    found = problems_of(text)
    [problem] = [one for one in found if told in one.message] or [found[0]]
    assert told in problem.message
    assert problem.file == "admission.yaml"
    line = text.splitlines()[problem.line - 1]
    assert problem.source == line
    assert marked in line


def test_the_column_is_that_of_the_text_at_fault() -> None:
    [problem] = problems_of(ADMISSION.replace("Patient.gender", "Patient.sex"))
    line = ADMISSION.replace("Patient.gender", "Patient.sex").splitlines()[problem.line - 1]
    assert line[problem.column - 1 : problem.column - 1 + problem.length] == "sex"


def test_all_faults_are_told_at_once() -> None:
    text = (
        ADMISSION.replace("Patient.gender", "Patient.sex")
        .replace("PID-7,", "PID7,")
        .replace("shape: name}", "shape: x}")
    )
    assert len({problem.line for problem in problems_of(text)}) == 3


def test_a_shape_that_holds_itself_is_refused() -> None:
    text = ADMISSION.replace("  person: [", "  person: [{event: again, shape: person}, ")
    assert any("holds itself" in problem.message for problem in problems_of(text))
