"""The Modality Performed Procedure Step SCP: steps begin, change and end once, and the worklist follows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from channels.dicom.worklist.performing import PERFORMED_STEP
from engine.errors import CommitUnknown, Rejected, Transient
from engine.spi import Narrow
from tests.channels.dicom.serving import Door, ReadingIntake, listening
from tests.channels.dicom.worklists import Fed, fed, order

UID = "1.2.826.0.1.3680043.2.9.1"
SERVES: dict[str, Any] = {"worklist": "ris", "mpps": True}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        await opened.tell("order-placed", order())
        yield opened


def started(**changed: Any) -> Dataset:
    """Return the attributes of an N-CREATE; None takes one out."""
    step = Dataset()
    step.StudyInstanceUID = "1.2.826.0.1.3680043.2.1.1"
    step.AccessionNumber = "A1"
    step.RequestedProcedureID = "RP1"
    step.ScheduledProcedureStepID = "SPS1"
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ScheduledStepAttributesSequence = [step]
    made.PatientName, made.PatientID = "Tremblay^Am\u00e9lie", "700123"
    made.PerformedProcedureStepID = "PPS1"
    made.PerformedStationAETitle = "CT1"
    made.PerformedProcedureStepStartDate, made.PerformedProcedureStepStartTime = "20261103", "092000"
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    made.Modality = "CT"
    for keyword, value in changed.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def ended(status: str = "COMPLETED", **changed: Any) -> Dataset:
    """Return the attributes of a last N-SET."""
    series = Dataset()
    series.SeriesInstanceUID, series.ProtocolName = "1.2.3.4", "CT thorax"
    made = Dataset()
    made.PerformedProcedureStepStatus = status
    made.PerformedProcedureStepEndDate, made.PerformedProcedureStepEndTime = "20261103", "093000"
    made.PerformedSeriesSequence = [series]
    for keyword, value in changed.items():
        setattr(made, keyword, value)
    return made


@contextmanager
def modality(door: Door) -> Iterator[Association]:
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
    try:
        assert association.is_established
        yield association
    finally:
        if association.is_established:
            association.release()


async def talk(door: Door, *requests: Callable[[Association], tuple[Dataset, Any]]) -> list[int]:
    """Send requests on one association; return the statuses."""

    def say() -> list[int]:
        with modality(door) as association:
            return [request(association)[0].Status for request in requests]

    return await asyncio.to_thread(say)


def create(step: Dataset, uid: str | None = UID) -> Callable[[Association], tuple[Dataset, Any]]:
    return lambda association: association.send_n_create(step, PERFORMED_STEP, uid)


def change(step: Dataset, uid: str = UID) -> Callable[[Association], tuple[Dataset, Any]]:
    return lambda association: association.send_n_set(step, PERFORMED_STEP, uid)


async def states(house: Fed) -> list[str]:
    return [row.state for row in await house.store.worklists.steps("ris", Narrow(hidden=True), limit=10)]


def kinds(door: Door) -> list[str]:
    return [json.loads(content)["type"] for content in door.intake.contents]


async def test_a_step_is_started_changed_and_completed(house: Fed) -> None:
    seen = []
    async with listening(worklists=house.worklists, **SERVES) as door:
        for request in (create(started()), change(ended("IN PROGRESS")), change(ended())):
            assert await talk(door, request) == [0x0000]
            seen += await states(house)

    assert seen == ["STARTED", "STARTED", "COMPLETED"]
    assert kinds(door) == ["imaging-started", "imaging-updated", "imaging-completed"]
    assert await house.worklists.steps("ris", Narrow(), limit=10) == []
    assert [message.selector for message in door.intake.messages] == ["mpps"] * 3


async def test_the_event_says_in_words_what_the_modality_said(house: Fed) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        await talk(door, create(started()), change(ended()))

    event = json.loads(door.intake.contents[-1])
    data = event["data"]
    dicom = data.pop("dicom")
    assert data == {
        "procedureStep": {
            "uid": UID,
            "id": "PPS1",
            "status": "completed",
            "startedAt": "2026-11-03T09:20:00-05:00",
            "endedAt": "2026-11-03T09:30:00-05:00",
            "modality": "CT",
            "stationAe": "CT1",
        },
        "patient": {
            "identifiers": [{"value": "700123"}],
            "names": [{"family": "Tremblay", "given": "Am\u00e9lie"}],
        },
        "orders": [
            {
                "accession": "A1",
                "study": "1.2.826.0.1.3680043.2.1.1",
                "procedureId": "RP1",
                "stepId": "SPS1",
            }
        ],
        "series": [{"uid": "1.2.3.4", "protocol": "CT thorax"}],
    }
    assert (dicom["uid"], dicom["revision"]) == (UID, 1)
    assert dicom["attributes"]["00400250"]["Value"] == ["20261103"]


async def test_a_step_of_the_wrong_patient_is_there_again(house: Fed) -> None:
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator = "110514", "DCM"
    reason.CodeMeaning = "Incorrect worklist entry selected"
    last = ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=[reason])
    async with listening(worklists=house.worklists, **SERVES) as door:
        assert await talk(door, create(started()), change(last)) == [0x0000, 0x0000]
        assert await states(house) == ["SCHEDULED"]
        assert await talk(door, create(started(), "1.2.9"), change(ended("DISCONTINUED"), "1.2.9")) == [0, 0]
        assert await states(house) == ["DISCONTINUED"]
    assert kinds(door)[1] == "imaging-discontinued"


@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
async def test_what_has_ended_changes_no_more(house: Fed, final: str) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:

        def say() -> Dataset:
            with modality(door) as association:
                association.send_n_create(started(), PERFORMED_STEP, UID)
                association.send_n_set(ended(final), PERFORMED_STEP, UID)
                return association.send_n_set(ended("IN PROGRESS"), PERFORMED_STEP, UID)[0]

        answer = await asyncio.to_thread(say)
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
    assert len(door.intake.messages) == 2


@pytest.mark.parametrize(
    ("requests", "status"),
    [
        ((create(started()), create(started())), 0x0111),
        ((create(started(PerformedProcedureStepStatus="COMPLETED")),), 0x0106),
        ((create(started(ScheduledStepAttributesSequence=None)),), 0x0120),
        ((create(started(PerformedProcedureStepID="")),), 0x0121),
        ((change(ended()),), 0x0112),
        ((create(started()), change(ended("ABANDONED"))), 0x0106),
        ((create(started()), change(ended(PatientID="another"))), 0x0106),
        ((create(started()), change(ended(PerformedSeriesSequence=[]))), 0x0121),
        ((create(started(), "1.2.x"),), 0x0117),
    ],
)
async def test_what_the_standard_does_not_allow_is_refused_with_its_status(
    house: Fed, requests: tuple[Callable[[Association], Any], ...], status: int
) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        assert (await talk(door, *requests))[-1] == status
    assert len(door.intake.messages) == len(requests) - 1
    assert await house.store.worklists.announced() == []


async def test_a_modality_that_has_no_uid_is_given_one(house: Fed) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        heard: list[Any] = []

        def say() -> int:
            entity = AE("CT1")
            entity.add_requested_context(PERFORMED_STEP)
            hears: list[Any] = [(evt.EVT_DIMSE_RECV, lambda event: heard.append(event.message.command_set))]
            association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE", evt_handlers=hears)
            answer, _ = association.send_n_create(started(), PERFORMED_STEP, None)
            association.release()
            status: int = answer.Status
            return status

        status = await asyncio.to_thread(say)
        uid = str(heard[0].AffectedSOPInstanceUID)
        assert (status, uid[:5]) == (0x0000, "2.25.")
        assert await talk(door, change(ended(), uid)) == [0x0000]


@pytest.mark.parametrize(
    ("error", "status"),
    [(Transient("busy"), 0x0213), (Rejected("no route"), 0x0110), (CommitUnknown("?"), 0x0110)],
)
async def test_nothing_counts_that_is_not_durable(house: Fed, error: Exception, status: int) -> None:
    async with listening(ReadingIntake(error), worklists=house.worklists, **SERVES) as door:
        assert await talk(door, create(started())) == [status]
    assert await states(house) == ["SCHEDULED"]


async def test_what_was_announced_when_the_process_ended_counts_where_its_message_is_durable(
    house: Fed,
) -> None:
    async with listening(ReadingIntake(CommitUnknown("?")), worklists=house.worklists, **SERVES) as door:
        assert await talk(door, create(started())) == [0x0110]
    [(message_id, _)] = await house.store.worklists.announced()
    [message] = door.intake.messages
    assert message.id == message_id

    await house.worklists.begin()  # its message is not in the store
    assert await states(house) == ["SCHEDULED"]
    assert await house.store.worklists.announced() == []


async def test_a_step_that_nobody_scheduled_is_taken(house: Fed) -> None:
    unknown = Dataset()
    unknown.StudyInstanceUID, unknown.ScheduledProcedureStepID, unknown.AccessionNumber = "1.2.3.4.5", "", ""
    async with listening(worklists=house.worklists, **SERVES) as door:
        assert await talk(door, create(started(ScheduledStepAttributesSequence=[unknown]))) == [0x0000]
    assert await states(house) == ["SCHEDULED"]
    assert kinds(door) == ["imaging-started"]
