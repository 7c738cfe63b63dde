"""The images that the store holds, as channels ask for them: by UID, and by DICOM's own rules of matching."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.dicom.searching import instance_of
from engine.errors import Rejected
from engine.runtime.images.instances import StoredImages
from engine.store.protocol import Store
from tests.instances import CT, STUDY, part10
from tests.store.making import acceptance, message
from tests.store.test_contract import sqlite


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with sqlite(tmp_path) as opened:
        yield opened


@pytest.fixture
async def images(store: Store) -> StoredImages:
    """Two studies: one of two series, one of one instance."""
    await keep(store, "2.25.1")
    await keep(store, "2.25.2", InstanceNumber=2)
    await keep(store, "2.25.3", SeriesInstanceUID="2.25.21", Modality="SR", SeriesNumber=3)
    await keep(
        store,
        "2.25.9",
        StudyInstanceUID="2.25.90",
        SeriesInstanceUID="2.25.91",
        StudyDate="20261224",
        PatientName="Autre^Jean",
        PatientID="TEST0002",
        AccessionNumber="B1",
    )
    return StoredImages(store.instances)


async def keep(store: Store, uid: str, **more: Any) -> None:
    """Let an instance be stored."""
    content = part10(uid, **more)
    base = message(uid, content, listener="images")
    await store.accept(acceptance(of=replace(base, instance=instance_of(content)), renderings=()))


async def test_instances_of_a_study_are_whole_files_with_what_they_say(images: StoredImages) -> None:
    first, second, third = await images.instances(study=STUDY)

    assert [each.instance for each in (first, second, third)] == ["2.25.1", "2.25.2", "2.25.3"]
    assert first.body.read() == part10("2.25.1")
    assert (first.study, first.series, first.sop_class) == (STUDY, "2.25.20", CT)
    assert (first.transfer_syntax, first.listener) == ("1.2.840.10008.1.2.1", "images")


async def test_series_and_uids_narrow(images: StoredImages) -> None:
    of_series = await images.instances(series="2.25.21")
    named = await images.instances(instances=["2.25.9", "2.25.1", "2.25.77"])
    within = await images.instances(study=STUDY, instances=["2.25.9", "2.25.1"])
    other = await images.instances(study="2.25.90", series="2.25.21")

    assert [each.instance for each in of_series] == ["2.25.3"]
    assert [each.instance for each in named] == ["2.25.9", "2.25.1"]
    assert [each.instance for each in within] == ["2.25.1"]
    assert [len(other), len(await images.instances())] == [0, 0]


async def test_pages_hold_as_many_as_asked_for(images: StoredImages) -> None:
    pages = [await images.instances(study=STUDY, limit=2, offset=offset) for offset in (0, 2, 4)]

    assert [[each.instance for each in page] for page in pages] == [["2.25.1", "2.25.2"], ["2.25.3"], []]


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({}, ["2.25.90", STUDY]),
        ({"PatientName": "essai^zoe*"}, [STUDY]),
        ({"PatientID": "TEST000?"}, ["2.25.90", STUDY]),
        ({"StudyDate": "20261101-20261130"}, [STUDY]),
        ({"StudyDate": "20261201-"}, ["2.25.90"]),
        ({"ModalitiesInStudy": "SR"}, [STUDY]),
        ({"StudyInstanceUID": f"2.25.90\\{STUDY}"}, ["2.25.90", STUDY]),
        ({"StudyInstanceUID": STUDY}, [STUDY]),
        ({"StudyInstanceUID": "2.25.4711"}, []),
        ({"AccessionNumber": "B1", "PatientID": "TEST0001"}, []),
    ],
)
async def test_studies_are_found_by_what_they_say(
    images: StoredImages, match: dict[str, str], found: list[str]
) -> None:
    studies = await images.find("study", match, limit=10)

    assert [study["0020000D"]["Value"][0] for study in studies] == found


async def test_a_study_tells_what_there_is_of_it(images: StoredImages) -> None:
    (study,) = await images.find("study", {"PatientID": "TEST0001"}, limit=10)

    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [3]}
    assert study["00080061"] == {"vr": "CS", "Value": ["CT", "SR"]}
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert study["00100010"]["Value"] == [{"Alphabetic": "Essai^Zoé^Marie"}]
    assert "0020000E" not in study and "00080018" not in study


async def test_series_and_instances_are_found_within_their_study(images: StoredImages) -> None:
    series = await images.find("series", {"StudyInstanceUID": STUDY, "Modality": "CT"}, limit=10)
    instances = await images.find(
        "instance", {"SeriesInstanceUID": "2.25.20", "InstanceNumber": "2"}, limit=9
    )

    assert [each["0020000E"]["Value"] for each in series] == [["2.25.20"]]
    assert series[0]["00201209"]["Value"] == [2]
    assert [each["00080018"]["Value"] for each in instances] == [["2.25.2"]]


async def test_a_search_pages(images: StoredImages) -> None:
    pages = [await images.find("study", {}, limit=1, offset=offset) for offset in range(3)]

    assert [len(page) for page in pages] == [1, 1, 0]


@pytest.mark.parametrize("match", [{"PixelData": "1"}, {"NoSuchWord": "1"}, {"StudyDate": "tomorrow"}])
async def test_a_query_that_nobody_can_answer_is_refused(images: StoredImages, match: dict[str, str]) -> None:
    with pytest.raises(Rejected) as refused:
        await images.find("study", match, limit=1)

    assert refused.value.faults[0].path == next(iter(match))
