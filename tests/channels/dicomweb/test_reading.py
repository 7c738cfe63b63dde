"""Who may read, what a search finds, and what stands in the journal before anything is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydicom.dataset import Dataset

from engine.errors import Transient
from tests.channels.dicomweb.fetching import ONE, READ, fetch
from tests.channels.dicomweb.instances import SERIES, STUDY, instance
from tests.channels.dicomweb.serving import Held, listening


def model(**values: Any) -> Mapping[str, Any]:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    found: Mapping[str, Any] = made.to_json_dict()
    return found


# --------------------------------------------------------------------------- who may read


async def test_nobody_reads_where_nobody_is_named() -> None:
    async with listening(images=Held(instance("2.25.1"))) as door:
        assert (await fetch(door, ONE)).status == 403
        assert (await fetch(door, "/studies")).status == 403
        assert not door.accesses


async def test_who_is_not_named_does_not_read() -> None:
    async with listening(images=Held(instance("2.25.1")), read=["cardiology"]) as door:
        assert (await fetch(door, ONE)).status == 403


async def test_what_is_given_is_journalled_by_message() -> None:
    images = Held(*(instance(f"2.25.{number}") for number in range(1, 251)))
    async with listening(images=images, **READ) as door:
        assert (await fetch(door, f"/studies/{STUDY}")).status == 200
        assert [each.action for each in door.accesses] == ["images-read"] * 3
        assert {each.actor for each in door.accesses} == {"partner:radiology"}
        named = [word for each in door.accesses for word in each.detail.split()[2:]]
        assert named == [each.message_id for each in images.stored]


async def test_nothing_is_shown_where_the_journal_cannot_be_written() -> None:
    images = Held(instance("2.25.1"), results=[model(PatientID="TEST0001")])
    async with listening(images=images, journal=Transient("the disk is full"), **READ) as door:
        assert (await fetch(door, ONE)).status == 503
        got = await fetch(door, "/studies")
        assert got.status == 503
        assert b"TEST0001" not in got.body


async def test_a_search_is_journalled_without_what_was_searched_for() -> None:
    async with listening(images=Held(), **READ) as door:
        await fetch(door, "/studies?PatientName=ESSAI*&StudyDate=20260101-")
        (access,) = door.accesses
        assert access.action == "images-searched"
        assert access.detail == "images study by PatientName,StudyDate: 0 found"


# --------------------------------------------------------------------------- searching


@pytest.mark.parametrize(
    ("path", "level", "match"),
    [
        ("/studies?PatientID=A1", "study", {"PatientID": "A1"}),
        ("/studies?00100020=A1&limit=5", "study", {"PatientID": "A1"}),
        ("/studies?StudyInstanceUID=1.2,1.3", "study", {"StudyInstanceUID": "1.2\\1.3"}),
        (f"/studies/{STUDY}/series?Modality=CT", "series", {"StudyInstanceUID": STUDY, "Modality": "CT"}),
        (
            f"/studies/{STUDY}/series/{SERIES}/instances",
            "instance",
            {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES},
        ),
        (f"/studies/{STUDY}/instances", "instance", {"StudyInstanceUID": STUDY}),
        ("/series", "series", {}),
        ("/instances?SOPClassUID=1.2.3", "instance", {"SOPClassUID": "1.2.3"}),
        (
            "/series?00400275.00400009=S1",
            "series",
            {"RequestAttributesSequence.ScheduledProcedureStepID": "S1"},
        ),
        ("/studies?PatientName=C%C3%94T%C3%89*", "study", {"PatientName": "CÔTÉ*"}),
    ],
)
async def test_a_search_asks_the_store_by_keyword(path: str, level: str, match: dict[str, str]) -> None:
    images = Held()
    async with listening(images=images, **READ) as door:
        assert (await fetch(door, path)).status == 204
    assert [(each[0], each[1]) for each in images.asked] == [(level, match)]


async def test_results_show_what_a_level_has_and_what_was_asked_for() -> None:
    found = model(
        StudyInstanceUID=STUDY,
        PatientID="TEST0001",
        InstitutionName="H",
        StationName="S",
        ModalitiesInStudy="OT",
    )
    async with listening(images=Held(results=[found]), **READ) as door:
        (plain,) = (await fetch(door, "/studies")).json
        (more,) = (await fetch(door, "/studies?includefield=InstitutionName,00081010")).json
        (everything,) = (await fetch(door, "/studies?includefield=all")).json
    assert set(plain) == {"0020000D", "00100020", "00080061", "00081190"}
    assert set(more) - set(plain) == {"00080080", "00081010"}
    assert set(everything) == set(more)
    assert plain["00081190"]["Value"] == [f"http://images.example/studies/{STUDY}"]


async def test_results_come_in_pages_and_say_that_there_are_more() -> None:
    images = Held(results=[model(StudyInstanceUID=f"2.25.{number}") for number in range(5)])
    async with listening(images=images, limits={"results": 2}, **READ) as door:
        first = await fetch(door, "/studies?limit=100")
        last = await fetch(door, "/studies?offset=4&limit=2")
    assert len(first.json) == 2 and "299" in first.headers["warning"]
    assert len(last.json) == 1 and "warning" not in last.headers


@pytest.mark.parametrize(
    "query",
    [
        "fuzzymatching=true",
        "NoSuchKeyword=1",
        "=1",
        "includefield=",
        "00091001=1",
        "limit=-1",
        "limit=x",
        "PatientComments=x",
        "PatientID=1&PatientID=2",
        "PatientName=%FF",
        "&".join(f"includefield=PatientID{number}" for number in range(70)),
    ],
)
async def test_a_search_that_cannot_be_answered_says_why(query: str) -> None:
    async with listening(images=Held(), **READ) as door:
        got = await fetch(door, f"/studies?{query}")
        assert got.status == 400 and got.json["detail"]
        assert not door.accesses


async def test_results_are_json() -> None:
    async with listening(images=Held(), **READ) as door:
        accept = 'multipart/related; type="application/dicom+xml"'
        assert (await fetch(door, "/studies", accept=accept)).status == 406
        assert (await fetch(door, "/studies?fuzzymatching=false", accept="application/json")).status == 204
