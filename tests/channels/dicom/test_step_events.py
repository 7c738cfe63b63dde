"""What a performed step says becomes an event in plain words, with all of it in the DICOM JSON model besides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from channels.dicom.worklist.step_events import event_of
from engine.codecs.dicom.json_model import to_json
from engine.spi import Performed
from tests.channels.dicom.test_performed_steps import ended, started

AT_MS = 1_793_700_000_000


def event(step: Dataset, *, revision: int = 0, zone: str = "America/Toronto") -> dict[str, Any]:
    performed = Performed("1.2.3", revision, to_json(step))
    found: dict[str, Any] = json.loads(event_of(performed, listener="images", zone=zone, at_ms=AT_MS))
    return found


def done(**changed: Any) -> Dataset:
    whole = started()
    whole.update(ended(**changed))
    return whole


@pytest.mark.parametrize(
    ("step", "revision", "kind"),
    [
        (started(), 0, "imaging-started"),
        (started(), 1, "imaging-updated"),
        (done(), 2, "imaging-completed"),
        (done(status="DISCONTINUED"), 2, "imaging-discontinued"),
    ],
)
def test_the_status_says_which_event_it_is(step: Dataset, revision: int, kind: str) -> None:
    found = event(step, revision=revision)
    assert (found["type"], found["id"], found["source"]) == (kind, f"1.2.3.{revision}", "/images/mpps")
    assert found["data"]["dicom"] == {"uid": "1.2.3", "revision": revision, "attributes": to_json(step)}


def test_a_step_is_told_in_words() -> None:
    data = event(done(), revision=1)["data"]
    assert data["procedureStep"] == {
        "uid": "1.2.3",
        "id": "PPS1",
        "status": "completed",
        "startedAt": "2026-11-03T09:20:00-05:00",
        "endedAt": "2026-11-03T09:30:00-05:00",
        "modality": "CT",
        "stationAe": "CT1",
    }
    assert data["patient"] == {
        "identifiers": [{"value": "700123"}],
        "names": [{"family": "Tremblay", "given": "Am\u00e9lie"}],
    }
    assert data["orders"] == [
        {
            "accession": "A1",
            "study": "1.2.826.0.1.3680043.2.1.1",
            "procedureId": "RP1",
            "stepId": "SPS1",
        }
    ]
    assert data["series"] == [{"uid": "1.2.3.4", "protocol": "CT thorax"}]


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("0920", "2026-11-03T09:20:00-05:00"),
        ("092000.123", "2026-11-03T09:20:00-05:00"),
        ("999999", "2026-11-03"),
    ],
)
def test_a_time_is_that_of_the_house(time: str, moment: str) -> None:
    found = event(started(PerformedProcedureStepStartTime=time))
    assert found["data"]["procedureStep"]["startedAt"] == moment


def test_why_a_step_was_given_up_is_told() -> None:
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = "110514", "DCM", "Incorrect entry"
    step = done(status="DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=[reason])
    assert event(step)["data"]["procedureStep"]["discontinuedFor"] == {
        "code": "110514",
        "text": "Incorrect entry",
        "system": "DCM",
    }
