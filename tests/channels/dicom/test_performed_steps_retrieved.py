"""The Modality Performed Procedure Step Retrieve SCP: a step is shown as it is, whole or by attributes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from channels.dicom.worklist.retrieving import PERFORMED_STEP_RETRIEVE
from engine.errors import StoreUnavailable
from engine.spi import Access, Performed
from tests.channels.dicom.serving import Door, listening
from tests.channels.dicom.test_performed_steps import SERVES, UID, create, started, talk
from tests.channels.dicom.worklists import Fed, fed, order


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        await opened.tell("order-placed", order())
        yield opened


async def got(
    door: Door, uid: str = UID, tags: tuple[int, ...] = (), syntax: str = ExplicitVRLittleEndian
) -> tuple[int, Dataset | None]:
    """Return status and attributes of an N-GET."""

    def ask() -> tuple[int, Dataset | None]:
        entity = AE("CT1")
        entity.add_requested_context(PERFORMED_STEP_RETRIEVE, syntax)
        association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
        assert association.is_established
        status, attributes = association.send_n_get([Tag(tag) for tag in tags], PERFORMED_STEP_RETRIEVE, uid)
        association.release()
        return status.Status, attributes

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
async def test_a_step_is_shown_as_its_modality_described_it(house: Fed, syntax: str) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        assert await talk(door, create(started())) == [0x0000]
        status, attributes = await got(door, syntax=syntax)
    assert (status, attributes) == (0x0000, started())


async def test_attributes_that_are_asked_for_come_alone(house: Fed) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        await talk(door, create(started()))
        status, attributes = await got(door, tags=(0x00100020, 0x00400252))
        assert attributes is not None
        assert (status, attributes.PatientID, attributes.PerformedProcedureStepStatus) == (
            0x0000,
            "700123",
            "IN PROGRESS",
        )
        assert "PatientName" not in attributes
        status, attributes = await got(door, tags=(0x00100020, 0x00400281))
        assert attributes is not None
        assert (status, attributes.PatientID) == (0x0001, "700123"), "not all of them are there"


async def test_a_step_that_nobody_performs_is_none(house: Fed) -> None:
    async with listening(worklists=house.worklists, **SERVES) as door:
        assert await got(door, uid="1.2.3.4.5") == (0x0112, None)


async def test_who_is_shown_a_step_stands_in_the_journal(house: Fed) -> None:
    seen: list[Access] = []

    async def accessed(access: Access) -> None:
        seen.append(access)

    async with listening(worklists=house.worklists, given={"accessed": accessed}, **SERVES) as door:
        await talk(door, create(started()))
        await got(door)
        await got(door, uid="1.2.3.4.5")
    assert seen == [Access("worklist-shown", "partner:?", "CT1: ris")]


async def test_a_store_that_is_away_is_asked_again_later(house: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(worklist: str, uid: str) -> Performed | None:
        raise StoreUnavailable("the store is away")

    async with listening(worklists=house.worklists, **SERVES) as door:
        monkeypatch.setattr(house.worklists, "performed", away)
        assert await got(door) == (0x0213, None)


async def test_without_performed_steps_the_class_is_not_taken(house: Fed) -> None:
    async with listening(worklists=house.worklists, worklist="ris") as door:

        def result() -> list[int | None]:
            entity = AE("CT1")
            entity.add_requested_context(PERFORMED_STEP_RETRIEVE)
            entity.add_requested_context("1.2.840.10008.5.1.4.31")
            association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
            refused = [context.result for context in association.rejected_contexts]
            association.release()
            return refused

        assert await asyncio.to_thread(result) == [3], "abstract syntax not supported (PS3.8 table 9-18)"
