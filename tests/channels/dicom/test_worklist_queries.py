"""A query of a modality by itself: what the store looks up of it, what is judged, and what an answer holds."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from channels.dicom.worklist.queries import PENDING, PENDING_WITHOUT_KEYS, Query
from engine.codecs.dicom.json_model import to_json
from engine.errors import Rejected
from engine.spi import Narrow
from tests.channels.dicom.worklists import query


def a_step(**keys: Any) -> dict[str, Any]:
    """Return a step of a worklist in the JSON model."""
    made = query(
        step={
            "ScheduledStationAETitle": "CT1",
            "ScheduledProcedureStepStartDate": "20261103",
            "ScheduledProcedureStepStartTime": "091500",
            "Modality": "CT",
            "ScheduledProcedureStepID": "SPS1",
        },
        PatientID="700123",
        PatientName="Tremblay^Luc",
        PatientBirthDate="19900514",
        RequestedProcedureID="RP1",
        **keys,
    )
    return to_json(made)


def narrowed(asked: Dataset, stations: tuple[str, ...] | None = None) -> Narrow:
    return Query(asked, stations).narrow()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (query(), Narrow()),
        (query(PatientID="1", AccessionNumber="A"), Narrow(patient="1", accession="A")),
        (query(StudyInstanceUID="1.2.3"), Narrow(study="1.2.3")),
        (query(PatientName="Roy^*"), Narrow(name="*=roy^*=*")),
        (
            query(step={"Modality": ["CT", "MR"], "ScheduledStationAETitle": "CT1"}),
            Narrow(modalities=("CT", "MR"), stations=("CT1",)),
        ),
        (
            query(step={"ScheduledProcedureStepStartDate": "20261103-"}),
            Narrow(first_day="20261103"),
        ),
        (
            query(
                step={
                    "ScheduledProcedureStepStartDate": "20261103",
                    "ScheduledProcedureStepStartTime": "0800-093000.5",
                }
            ),
            Narrow(first_day="20261103", last_day="20261103", first_moment="0800", last_moment="093000"),
        ),
    ],
)
def test_what_the_columns_say_is_looked_up(asked: Dataset, expected: Narrow) -> None:
    found = Query(asked, None)
    assert found.narrow() == expected
    assert not found.judges


def test_the_stations_of_a_caller_narrow_what_it_asks_for() -> None:
    assert narrowed(query(), ("CT1", "CT2")).stations == ("CT1", "CT2")


@pytest.mark.parametrize(
    ("asked", "attributes", "holding"),
    [
        (query(RequestedProcedureID="RP1"), ("00401001",), ('"RP1"',)),
        (query(PatientID="7001*3"), ("00100020",), ("7001",)),
        (query(PatientBirthDate="19900514"), ("00100030",), ('"19900514"',)),
        (query(PatientBirthDate="19900101-19991231"), ("00100030",), ()),
        (query(step={"ScheduledProcedureStepID": "SPS?"}), ("00400100.00400009",), ("SPS",)),
        (query(step={"Modality": "C*"}), ("00400100.00080060",), ("C",)),
    ],
)
def test_what_no_column_says_is_judged_by_its_attributes(
    asked: Dataset, attributes: tuple[str, ...], holding: tuple[str, ...]
) -> None:
    narrow = narrowed(asked)
    step = a_step()
    inner = step["00400100"]["Value"][0]
    found = {tag: inner[tag[9:]] if "." in tag else step[tag] for tag in attributes}
    assert (narrow.attributes, narrow.holding) == (attributes, holding)
    assert narrow.wanted is not None
    assert narrow.wanted(found)
    assert not narrow.wanted(dict.fromkeys(attributes))


@pytest.mark.parametrize(
    ("day", "time", "within"),
    [
        ("20261103", "0900", True),
        ("20261103", "0859", False),
        ("20261104", "1000", True),
        ("20261104", "1001", False),
    ],
)
def test_a_range_of_days_and_times_is_judged_as_one_stretch(day: str, time: str, within: bool) -> None:
    asked = query(
        step={
            "ScheduledProcedureStepStartDate": "20261103-20261104",
            "ScheduledProcedureStepStartTime": "0900-1000",
        }
    )
    narrow = narrowed(asked)
    assert narrow.attributes == ("00400100.00400002", "00400100.00400003")
    assert narrow.wanted is not None
    found = {narrow.attributes[0]: {"Value": [day]}, narrow.attributes[1]: {"Value": [f"{time}00"]}}
    assert narrow.wanted(found) is within


def test_a_key_that_no_step_has_is_universal_and_told() -> None:
    asked = Query(query(PatientReligiousPreference="X", PatientID="700123"), None)
    assert (asked.judges, asked.pending) == (True, PENDING)
    asked.known_by(a_step())
    assert (asked.judges, asked.pending) == (False, PENDING_WITHOUT_KEYS)
    assert asked.answer(a_step()) is not None


def test_an_answer_holds_what_was_asked_for_and_no_more() -> None:
    asked = Dataset()
    asked.PatientID, asked.PatientWeight = "700123", None
    answer = Query(asked, None).answer(a_step(AccessionNumber="A1"))
    assert answer == {"00100020": {"vr": "LO", "Value": ["700123"]}, "00101030": {"vr": "DS"}}


@pytest.mark.parametrize(
    ("asked", "stations"),
    [
        (query(PatientID="another"), None),
        (query(step={"ScheduledStationAETitle": "CT2"}), None),
        (query(), ("CT2",)),
        (
            query(
                step={
                    "ScheduledProcedureStepStartDate": "20261103-20261103",
                    "ScheduledProcedureStepStartTime": "1000-1100",
                }
            ),
            None,
        ),
    ],
)
def test_what_the_store_found_more_is_left_out(asked: Dataset, stations: tuple[str, ...] | None) -> None:
    assert Query(asked, stations).answer(a_step()) is None


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(Rejected):
        Query(query(step={"ScheduledProcedureStepStartDate": "monday"}), None)
