"""What a message may ask of an archive, and what is refused before anybody is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from channels.dicom_query.asking import Question, question_of
from engine.errors import Rejected
from tests.channels.dicom_query.asked import endpoint


def asked(*, retrieve: bool = False, shown: list[str] | None = None, **question: Any) -> Question:
    told = {} if shown is None else {"return": shown}
    return question_of(json.dumps({**question, **told}).encode(), retrieve=retrieve)


def test_a_study_is_asked_for_with_what_is_usually_shown() -> None:
    question = asked(match={"PatientID": "A1", "ModalitiesInStudy": ["CT", "MR"]})
    identifier = question.identifier
    assert (question.root, question.limit) == ("study", 0)
    assert identifier.QueryRetrieveLevel == "STUDY"
    assert identifier.PatientID == "A1"
    assert list(identifier.ModalitiesInStudy) == ["CT", "MR"]
    assert "StudyInstanceUID" in identifier and "StudyDescription" in identifier
    assert "SpecificCharacterSet" not in identifier


def test_what_is_to_be_told_may_be_named_also_within_a_sequence() -> None:
    identifier = asked(
        level="series",
        match={"StudyInstanceUID": "1.2", "RequestAttributesSequence.RequestedProcedureID": "P1"},
        shown=["Modality", "RequestAttributesSequence.ScheduledProcedureStepID"],
        limit=5,
    ).identifier
    (item,) = identifier.RequestAttributesSequence
    assert (item.RequestedProcedureID, item.ScheduledProcedureStepID) == ("P1", "")
    assert "SeriesDescription" not in identifier


def test_accented_names_are_written_in_utf_8() -> None:
    assert asked(match={"PatientName": "CÔTÉ*"}).identifier.SpecificCharacterSet == "ISO_IR 192"


def test_patients_are_asked_of_the_patient_root() -> None:
    assert asked(level="patient", match={"PatientName": "A*"}).root == "patient"


@pytest.mark.parametrize(
    "question",
    [
        {"level": "room"},
        {"level": "patient", "root": "study"},
        {"match": {"NoSuchKeyword": "1"}},
        {"match": {"QueryRetrieveLevel": "IMAGE"}},
        {"match": {"PatientID": 4711}},
        {"match": {"PatientID": ["a", 1]}},
        {"match": {"RequestAttributesSequence": "x"}},
        {"match": {"PatientID.PatientName": "x"}},
        {"match": []},
        {"return": "PatientID"},
        {"return": [1]},
        {"limit": -1},
        {"limit": True},
        {"where": "there"},
    ],
)
def test_what_cannot_be_asked_is_refused(question: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        asked(**question)
    assert caught.value.faults


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"[" * 100_000, b"\xff"])
def test_a_message_that_is_no_question_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        question_of(body, retrieve=False)


def test_what_is_brought_is_named_by_uids() -> None:
    identifier = asked(
        retrieve=True, level="series", match={"StudyInstanceUID": "1.2", "SeriesInstanceUID": ["1.3", "1.4"]}
    ).identifier
    assert {element.keyword for element in identifier} == {
        "QueryRetrieveLevel",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    }


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"match": {"PatientID": "A1"}}, "match.StudyInstanceUID"),
        ({"match": {"StudyInstanceUID": "1.2", "Modality": "CT"}}, "match.Modality"),
        ({"match": {"StudyInstanceUID": "*"}}, "match.StudyInstanceUID"),
        ({"level": "series", "match": {"StudyInstanceUID": "1.2"}}, "match.SeriesInstanceUID"),
        ({"root": "patient", "match": {"StudyInstanceUID": "1.2"}}, "match.PatientID"),
    ],
)
def test_nothing_is_brought_that_is_not_named(question: dict[str, Any], path: str) -> None:
    with pytest.raises(Rejected) as caught:
        asked(retrieve=True, **question)
    assert caught.value.faults[0].path == path


@pytest.mark.parametrize("config", [{"ask": "move"}, {"move_to": "X"}, {"ask": "get"}, {"into": "images"}])
def test_where_to_belongs_to_what_is_asked(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        endpoint(1, **config)
