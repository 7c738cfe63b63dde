"""The Modality Worklist SCP as a modality meets it: what it finds, in which words, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_CANCEL, C_FIND

from channels.dicom.worklist.scheduling import MODALITY_WORKLIST
from tests.channels.dicom.serving import Door, listening
from tests.channels.dicom.worklists import Fed, fed, order, query


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        yield opened


@contextmanager
def modality(door: Door, title: str = "CT1", syntax: str = ExplicitVRLittleEndian) -> Iterator[Association]:
    entity = AE(title)
    entity.add_requested_context(MODALITY_WORKLIST, syntax)
    association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
    try:
        assert association.is_established
        yield association
    finally:
        if association.is_established:
            association.release()


async def found(door: Door, asked: Dataset, **how: Any) -> list[Dataset]:
    """Return the answers to a query; fails where it is not answered to its end."""

    def ask() -> list[Dataset]:
        with modality(door, **how) as association:
            answers = list(association.send_c_find(asked, MODALITY_WORKLIST))
        assert answers[-1][0].Status == 0x0000
        return [identifier for status, identifier in answers[:-1] if identifier is not None]

    return await asyncio.to_thread(ask)


async def status_of(door: Door, asked: Dataset) -> list[int]:
    def ask() -> list[int]:
        with modality(door) as association:
            return [status.Status for status, _ in association.send_c_find(asked, MODALITY_WORKLIST)]

    return await asyncio.to_thread(ask)


async def accessions(door: Door, asked: Dataset, **how: Any) -> list[str]:
    return sorted(each.AccessionNumber for each in await found(door, asked, **how))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
async def test_a_step_is_answered_with_what_was_asked_for(house: Fed, syntax: str) -> None:
    await house.tell("order-placed", order())
    async with listening(worklists=house.worklists, worklist="ris") as door:
        [answer] = await found(door, query(), syntax=syntax)

    [step] = answer.ScheduledProcedureStepSequence
    assert (str(answer.PatientName), answer.PatientID) == ("Tremblay^Am\u00e9lie", "700123")
    assert (answer.PatientBirthDate, answer.PatientSex) == ("19900514", "F")
    assert (answer.AccessionNumber, answer.RequestedProcedureID) == ("A1", "RP1")
    assert answer.StudyInstanceUID == "1.2.826.0.1.3680043.2.1.1"
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == (
        "20261103",
        "091500",
    )
    assert (step.Modality, step.ScheduledStationAETitle) == ("CT", "CT1")
    assert step.ScheduledProcedureStepDescription == "CT thorax"
    assert answer.SpecificCharacterSet == "ISO_IR 100"
    assert "ReferringPhysicianName" in answer and not answer.ReferringPhysicianName
    assert set(answer.keys()) == {*query().keys(), 0x00080005}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (query(), ["A1", "A2", "A3"]),
        (query(PatientID="700123"), ["A1"]),
        (query(AccessionNumber="A2"), ["A2"]),
        (query(AccessionNumber="A?"), ["A1", "A2", "A3"]),
        (query(PatientName="TREMBLAY^AMELIE"), ["A1"]),
        (query(PatientName="gagn*"), ["A2"]),
        (query(step={"Modality": "CT"}), ["A1", "A3"]),
        (query(step={"Modality": "CT", "ScheduledStationAETitle": "CT2"}), ["A3"]),
        (query(step={"ScheduledProcedureStepStartDate": "20261103"}), ["A1"]),
        (query(step={"ScheduledProcedureStepStartDate": "20261104-"}), ["A2", "A3"]),
        (query(step={"ScheduledProcedureStepStartDate": "20261101-20261104"}), ["A1", "A2"]),
        (query(step={"ScheduledProcedureStepStartTime": "0900-0930"}), ["A1"]),
        (
            query(
                step={
                    "ScheduledProcedureStepStartDate": "20261103-20261104",
                    "ScheduledProcedureStepStartTime": "1000-1430",
                }
            ),
            ["A2"],
        ),
        (query(StudyInstanceUID=["1.2.826.0.1.3680043.2.1.1", "1.2.826.0.1.3680043.2.1.3"]), ["A1", "A3"]),
        (query(PatientID="nobody"), []),
    ],
)
async def test_keys_choose(house: Fed, asked: Dataset, expected: list[str]) -> None:
    await house.tell("order-placed", order())
    later = {"start": "2026-11-04T14:00:00-05:00", "modality": "MR", "station": "MR1"}
    await house.tell("order-placed", order("2", patient="700124", family="Gagnon", **later))
    await house.tell(
        "order-placed",
        order(
            "3", patient="700125", family="C\u00f4t\u00e9", station="CT2", start="2026-11-05T07:00:00-05:00"
        ),
    )
    async with listening(worklists=house.worklists, worklist="ris") as door:
        assert await accessions(door, asked) == expected


async def test_texts_beyond_latin_1_are_answered_in_utf_8(house: Fed) -> None:
    await house.tell("order-placed", order(family="\u0141uczak", given="J\u00f3zef"))
    async with listening(worklists=house.worklists, worklist="ris") as door:
        [answer] = await found(door, query())
        assert (answer.SpecificCharacterSet, str(answer.PatientName)) == (
            "ISO_IR 192",
            "\u0141uczak^J\u00f3zef",
        )
        asked = query(SpecificCharacterSet="ISO_IR 192", PatientName="\u0141UCZAK*")
        assert await accessions(door, asked) == ["A1"]


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
async def test_accented_names_are_asked_for_in_either_character_set(house: Fed, charset: str) -> None:
    await house.tell("order-placed", order(family="C\u00f4t\u00e9", given="No\u00e9mie"))
    async with listening(worklists=house.worklists, worklist="ris") as door:
        assert await accessions(
            door, query(SpecificCharacterSet=charset, PatientName="C\u00d4T\u00c9^No*")
        ) == ["A1"]


@pytest.mark.parametrize(
    "control", ["cancellation-wanted", "cancelled", "discontinuation-wanted", "discontinued", "held"]
)
async def test_an_order_that_is_not_to_be_performed_disappears(house: Fed, control: str) -> None:
    await house.tell("order-placed", order())
    await house.tell("order-modified", order(control=control, at="2026-11-02T09:00:00-05:00"))
    async with listening(worklists=house.worklists, worklist="ris") as door:
        assert await accessions(door, query()) == []


async def test_a_caller_sees_the_steps_of_its_stations_only(house: Fed) -> None:
    for number, station in enumerate(("CT1", "CT2", "CT3"), start=1):
        await house.tell("order-placed", order(str(number), station=station))
    async with listening(worklists=house.worklists, worklist="ris", stations={"CT1": ["CT1", "CT2"]}) as door:
        assert await accessions(door, query()) == ["A1", "A2"]
        assert await accessions(door, query(step={"ScheduledStationAETitle": "CT3"})) == []
        assert await accessions(door, query(), title="ANOTHER") == ["A1", "A2", "A3"]


async def test_a_key_that_a_worklist_does_not_know_is_told_and_ignored(house: Fed) -> None:
    await house.tell("order-placed", order())
    async with listening(worklists=house.worklists, worklist="ris") as door:
        assert await status_of(door, query(PatientReligiousPreference="X")) == [0xFF01, 0x0000]


async def test_a_query_is_cancelled(house: Fed) -> None:
    for number in range(300):
        await house.tell("order-placed", order(str(number)))
    async with listening(worklists=house.worklists, worklist="ris") as door:

        def ask() -> tuple[int, int]:
            with modality(door) as association:
                count = last = 0
                for count, (status, _) in enumerate(association.send_c_find(query(), MODALITY_WORKLIST, 9)):
                    last = status.Status
                    if count == 3:
                        cancel = C_CANCEL()
                        cancel.MessageIDBeingRespondedTo = 9
                        context = association.accepted_contexts[0].context_id
                        assert context is not None
                        association.dimse.send_msg(cancel, context)
                return count, last

        count, last = await asyncio.to_thread(ask)
    assert last == 0xFE00
    assert count < 300


async def test_what_is_no_query_is_refused_with_its_tag(house: Fed) -> None:
    await house.tell("order-placed", order())
    async with listening(worklists=house.worklists, worklist="ris") as door:
        wrong = query()
        wrong.ScheduledProcedureStepSequence.append(Dataset())
        assert await status_of(door, wrong) == [0xA900]
        wrong = query(PatientID="x" * 2000)
        assert await status_of(door, wrong) == [0xA900]
        assert await status_of(door, query()) == [0xFF00, 0x0000]
    assert door.events("query_refused") == 2


def hostile() -> dict[str, bytes]:
    """Return identifiers that no modality writes, explicit VR little endian."""
    deep = b""
    for _ in range(60):
        item = b"\xfe\xff\x00\xe0" + len(deep).to_bytes(4, "little") + deep
        deep = b"\x40\x00\x00\x01SQ\x00\x00" + len(item).to_bytes(4, "little") + item
    many = b"".join(
        b"\x10\x00" + n.to_bytes(2, "little") + b"LO\x00\x00" for n in range(0x1000, 0x1000 + 5000)
    )
    uid = b"\x20\x00\x0d\x00UI" + (60_000).to_bytes(2, "little") + b"1.2\\" * 15_000
    return {
        "deep": deep,
        "many": many,
        "uids": uid,
        "cut": b"\x10\x00\x20\x00LO\xff\xff12",
        "noise": bytes(range(256)) * 8,
        "date": b"\x40\x00\x00\x01SQ\x00\x00\x18\x00\x00\x00\xfe\xff\x00\xe0\x10\x00\x00\x00"
        b"\x40\x00\x02\x00DA\x08\x00tomorrow",
    }


@pytest.mark.parametrize("name", sorted(hostile()))
async def test_a_hostile_identifier_harms_nobody(house: Fed, name: str) -> None:
    await house.tell("order-placed", order())
    async with listening(worklists=house.worklists, worklist="ris") as door:

        def ask() -> int:
            with modality(door) as association:
                find = C_FIND()
                find.MessageID, find.Priority = 1, 2
                find.AffectedSOPClassUID = MODALITY_WORKLIST
                find.Identifier = BytesIO(hostile()[name])
                association.dimse_timeout = 20
                association.dimse.send_msg(find, 1)
                _, answer = association.dimse.get_msg(block=True)
                return int(getattr(answer, "Status", 0))

        status = await asyncio.to_thread(ask)
        assert status in (0xA900, 0x0000)
        assert await accessions(door, query()) == ["A1"]


async def test_no_worklist_no_service(house: Fed) -> None:
    async with listening(worklists=house.worklists) as door:

        def accepted() -> bool:
            entity = AE("CT1")
            entity.add_requested_context(MODALITY_WORKLIST)
            association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
            taken = association.is_established and bool(association.accepted_contexts)
            association.abort()
            return taken

        assert await asyncio.to_thread(accepted) is False
