"""DCMTK's dcmqrscp and Orthanc answer C-FIND, move and give what they hold; our relay answers findscu from them."""

from __future__ import annotations

import asyncio
import urllib.request
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from engine.errors import BudgetExceeded, PasserelleError, Permanent, Transient
from tests.channels.dicom.serving import ReadingIntake, listening
from tests.channels.dicom.test_inbound_dcmtk import shipped
from tests.channels.dicom_query.asked import asking, endpoint, relaying, written
from tests.peers.dcmqrscp import dcmqrscp
from tests.peers.dcmtk import run_dcmtk
from tests.peers.orthanc import Orthanc, orthanc
from tests.peers.ports import free_port

OBJECTS = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
)


def pixels(content: bytes) -> str:
    """Return the SHA-256 of an instance's pixel data."""
    return sha256(dcmread(BytesIO(content)).PixelData).hexdigest()


async def upload(archive: Orthanc, content: bytes) -> None:
    """Put an instance into Orthanc."""

    def post() -> None:
        request = urllib.request.Request(f"{archive.url}/instances", content, method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:  # our own server on loopback
            assert response.status == 200

    await asyncio.to_thread(post)


async def test_what_an_archive_holds_is_found(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 3), *written(tmp_path, 1, study="2.25.101"))
        async with asking(tmp_path, endpoint(archive.port)) as way:
            found = await way.ask(match={"PatientID": "TEST0001"})
            assert found["complete"]
            assert {each["0020000D"]["Value"][0] for each in found["results"]} == {"2.25.100", "2.25.101"}
            none = await way.ask(match={"PatientID": "NOBODY"})
            assert none == {"results": [], "complete": True}
            images = await way.ask(
                level="image", match={"StudyInstanceUID": "2.25.100", "SeriesInstanceUID": "2.25.100.900"}
            )
            assert len(images["results"]) == 3
            patients = await way.ask(level="patient", match={"PatientName": "ESSAI*"})
            assert patients["results"][0]["00100010"]["Value"] == [{"Alphabetic": "ESSAI^IMAGERIE"}]


async def test_a_search_that_finds_too_much_is_cancelled(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 6))
        match = {"StudyInstanceUID": "2.25.100", "SeriesInstanceUID": "2.25.100.900"}
        async with asking(tmp_path, endpoint(archive.port, results=4)) as way:
            found = await way.ask(level="image", match=match)
            assert (len(found["results"]), found["complete"]) == (4, False)
            fewer = await way.ask(level="image", match=match, limit=2)
            assert (len(fewer["results"]), fewer["complete"]) == (2, False)


async def test_a_study_is_moved_to_a_listener(tmp_path: Path) -> None:
    port = free_port()
    async with (
        dcmqrscp(tmp_path, movers={"PASSERELLE": port}) as archive,
        listening(dicom=f"127.0.0.1:{port}") as door,
    ):
        await archive.store(*written(tmp_path, 3))
        config = endpoint(archive.port, ask="move", move_to="PASSERELLE")
        async with asking(tmp_path, config) as way:
            moved = await way.ask(match={"StudyInstanceUID": "2.25.100"})
        assert (moved["completed"], moved["failed"]) == (3, 0)
        assert sorted(door.intake.control_ids) == [f"2.25.100.{number}" for number in (1, 2, 3)]


async def test_a_destination_that_the_archive_does_not_know_is_no_matter_of_time(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 1))
        async with asking(tmp_path, endpoint(archive.port, ask="move", move_to="NOBODY")) as way:
            with pytest.raises(Permanent) as caught:
                await way.ask(match={"StudyInstanceUID": "2.25.100"})
            assert caught.value.code == "A801"


async def test_a_study_is_brought_on_the_association_that_asks(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        files = written(tmp_path, 3)
        await archive.store(*files)
        async with asking(tmp_path, endpoint(archive.port, ask="get", into="images")) as way:
            brought = await way.ask(match={"StudyInstanceUID": "2.25.100"})
        assert (brought["completed"], brought["failed"]) == (3, 0)
        assert sorted(map(pixels, way.intake.contents)) == sorted(pixels(each.read_bytes()) for each in files)
        first = min(way.intake.messages, key=lambda message: message.control_id)
        assert (first.listener, first.partner, first.codec) == ("images", "radiology", "dicom")
        assert first.instance is not None and first.instance.study == "2.25.100"
        assert not list((tmp_path / "var" / "dicom_query" / "radiology.archive").iterdir())


async def test_what_cannot_be_kept_is_not_said_to_be(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 2))
        full = ReadingIntake(Transient("the disk is full"))
        async with asking(tmp_path, endpoint(archive.port, ask="get", into="images"), full) as way:
            with pytest.raises(Transient):
                await way.ask(match={"StudyInstanceUID": "2.25.100"})


async def test_what_is_too_large_or_too_much_now_is_not_brought(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 2))
        small = endpoint(archive.port, ask="get", into="images", largest=500)
        busy = ReadingIntake(admissions=[BudgetExceeded("too much is in flight")])
        match = {"StudyInstanceUID": "2.25.100"}
        async with asking(tmp_path, small) as way:
            with pytest.raises(PasserelleError):
                await way.ask(match=match)
            assert not way.intake.messages and way.intake.outstanding == 0
        async with asking(tmp_path, endpoint(archive.port, ask="get", into="images"), busy) as way:
            with pytest.raises(Transient) as caught:
                await way.ask(match=match)
            assert caught.value.code == "B000"
            assert len(way.intake.messages) == 1 and way.intake.outstanding == 0


async def test_orthanc_is_searched_and_gives_every_object(tmp_path: Path) -> None:
    async with orthanc(tmp_path, aet="ARCHIVE") as archive:
        studies: dict[str, list[bytes]] = {}
        for name in OBJECTS:
            content = shipped(name).read_bytes()
            await upload(archive, content)
            uid = str(dcmread(BytesIO(content), stop_before_pixels=True).StudyInstanceUID)
            studies.setdefault(uid, []).append(content)
        async with asking(tmp_path, endpoint(archive.dicom_port)) as way:
            found = await way.ask(match={"PatientName": "*"})
            assert {each["0020000D"]["Value"][0] for each in found["results"]} == set(studies)
        async with asking(tmp_path, endpoint(archive.dicom_port, ask="get", into="images")) as way:
            for uid in studies:
                await way.ask(match={"StudyInstanceUID": uid})
        held = await archive.instances()
        both = zip(way.intake.messages, way.intake.contents, strict=True)
        came = {message.control_id: pixels(content) for message, content in both}
        assert came == {uid: pixels(content) for uid, content in held.items()}


async def findscu(port: int, *keys: str, abstract: str = "-S", cancel: int = 0) -> str:
    """Ask with DCMTK's findscu, which stops after `cancel` matches, and return what it says."""
    asked = [word for key in keys for word in ("-k", key)]
    stops = ["--cancel", str(cancel)] if cancel else []
    who = ["-aec", "PASSERELLE", *asked, "127.0.0.1", str(port)]
    return await run_dcmtk("findscu", "-v", abstract, *stops, *who)


async def test_a_query_that_comes_here_is_answered_by_the_archive(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 2), *written(tmp_path, 1, study="2.25.101"))
        async with relaying(tmp_path, endpoint(archive.port)) as door:
            keys = ("QueryRetrieveLevel=STUDY", "PatientID=TEST0001", "StudyInstanceUID")
            said = await findscu(door.port, *keys)
            assert "2.25.100" in said and "2.25.101" in said
            patients = await findscu(
                door.port, "QueryRetrieveLevel=PATIENT", "PatientName=ESS*", abstract="-P"
            )
            assert "ESSAI^IMAGERIE" in patients
            nobody = await findscu(door.port, "QueryRetrieveLevel=STUDY", "PatientID=X", "StudyInstanceUID")
            assert "2.25.1" not in nobody
    assert [each.action for each in door.accesses] == ["images-searched"] * 3
    assert door.accesses[0].detail == "door at radiology.archive by PatientID"
    assert door.accesses[0].actor == "partner:unknown"


async def test_a_caller_that_has_enough_stops_the_archive(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as archive:
        await archive.store(*written(tmp_path, 12))
        async with relaying(tmp_path, endpoint(archive.port)) as door:
            said = await run_dcmtk(
                "findscu", "-v", "-S", "--cancel", "2", "-aec", "PASSERELLE", "-k", "QueryRetrieveLevel=IMAGE",
                "-k", "StudyInstanceUID=2.25.100", "-k", "SeriesInstanceUID=2.25.100.900", "-k", "SOPInstanceUID",
                "127.0.0.1", str(door.port),
            )  # fmt: skip
            assert "Cancel" in said
            again = await findscu(door.port, "QueryRetrieveLevel=STUDY", "StudyInstanceUID")
            assert "2.25.100" in again


async def test_an_archive_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    async with relaying(tmp_path, endpoint(free_port())) as door:
        assert "OutOfResources" in await findscu(door.port, "QueryRetrieveLevel=STUDY")
    async with relaying(tmp_path, None) as door:
        assert "UnableToProcess" in await findscu(door.port, "QueryRetrieveLevel=STUDY")
