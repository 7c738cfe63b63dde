"""What an instance says of itself goes with its message; a listener with `group:` says that studies are told of."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from channels.dicom.listener import DicomListener
from engine.model import Gathering
from engine.testing.channels import Answer
from tests.channels.dicom.modality import Modality
from tests.channels.dicom.serving import LIMIT, LOOPBACK, Door, listening


async def stored(door: Door) -> str:
    """Store one instance and return its UID."""
    modality = Modality(None)
    await modality.connect(f"127.0.0.1:{door.port}")
    async with asyncio.timeout(LIMIT):
        uid = await modality.offer()
        assert await modality.answer(uid) is Answer.ACCEPTED
        await modality.close()
    return uid


async def test_an_instance_says_where_it_belongs() -> None:
    async with listening() as door:
        uid = await stored(door)

    said = door.intake.messages[0].instance
    assert said is not None
    assert (said.instance, said.study, said.series, said.modality) == (uid, "2.25.1", "2.25.2", "OT")
    assert said.gathering is None


async def test_a_listener_with_a_group_says_how_studies_are_told_of() -> None:
    async with listening(group={"by": "series", "quiet": "45s"}) as door:
        await stored(door)

    said = door.intake.messages[0].instance
    assert said is not None and said.gathering == Gathering("series", 45_000)


def test_studies_have_a_door_where_they_are_grouped() -> None:
    grouped = DicomListener.model_validate({"dicom": LOOPBACK, "group": {"quiet": "30s"}})
    plain = DicomListener(dicom=LOOPBACK)

    assert grouped.selector_fault("study") == grouped.selector_fault("") == ""
    assert grouped.selector_fault("series") != "" and "group: {by: study}" in plain.selector_fault("study")
    assert (grouped.codec_at("study"), grouped.codec_at(""), plain.codec_at("study")) == ("json", None, None)


def test_a_group_needs_its_quiet_time() -> None:
    with pytest.raises(ValidationError):
        DicomListener.model_validate({"dicom": LOOPBACK, "group": {"by": "study"}})
