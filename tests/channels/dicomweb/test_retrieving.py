"""WADO-RS: what is given of what the store holds, and in which form."""

from __future__ import annotations

import asyncio
import dataclasses
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence as Items
from pydicom.uid import JPEGBaseline8Bit, RLELossless

from engine.model import Body
from tests.channels.dicomweb.fetching import ANY, FRAMES, ONE, READ, dechunked, fetch, parts_of
from tests.channels.dicomweb.instances import SERIES, STUDY, dataset, file_of, get, instance, related, stow
from tests.channels.dicomweb.serving import Held, listening
from tests.channels.http.wire import LIMIT, wire

# --------------------------------------------------------------------------- instances


async def test_a_study_is_given_as_it_is_stored() -> None:
    files = [instance("2.25.1", pixels=300_000), instance("2.25.2"), instance("2.25.3", study="2.25.999")]
    async with listening(images=Held(*files), **READ) as door:
        got = await fetch(door, f"/studies/{STUDY}", accept=ANY)
    assert got.status == 200
    heads, contents = zip(*parts_of(got), strict=True)
    assert list(contents) == files[:2]
    assert heads[0]["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert heads[0]["content-location"].endswith(f"/studies/{STUDY}/series/{SERIES}/instances/2.25.1")


async def test_one_instance_may_be_given_alone() -> None:
    content = instance("2.25.1")
    async with listening(images=Held(content, instance("2.25.2")), **READ) as door:
        got = await fetch(door, ONE, accept="application/dicom")
        assert (got.status, got.body) == (200, content)
        assert got.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        assert (await fetch(door, f"/studies/{STUDY}", accept="application/dicom")).status == 406


async def test_head_tells_without_giving() -> None:
    async with listening(images=Held(instance("2.25.1")), **READ) as door, wire(door.address) as client:
        await client.write(get(ONE, method="HEAD") + get("/nothing"))
        first = await client.read(bodiless=True)
        assert (first.status, (await client.read()).status) == (200, 404)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        (ANY, 200),
        ('multipart/related; type="application/dicom"', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', 406),
        ("application/dicom+json", 406),
        (f"{ANY};q=0", 406),
        (f"text/html, {ANY};q=0.1", 200),
    ],
)
async def test_nothing_is_transcoded(accept: str, status: int) -> None:
    content = _test_file("MR_small_jpeg_ls_lossless.dcm")
    says = dcmread(BytesIO(content), stop_before_pixels=True)
    async with listening(images=Held(content), **READ) as door:
        assert (await fetch(door, f"/studies/{says.StudyInstanceUID}", accept=accept)).status == status


async def test_what_is_not_held_is_not_found() -> None:
    async with listening(images=Held(instance("2.25.1")), **READ) as door:
        for path in (
            "/studies/2.25.9",
            f"/studies/{STUDY}/series/2.25.9/metadata",
            "/patients",
            "/studies/x/y",
        ):
            assert (await fetch(door, path)).status in (400, 404)
        assert not door.accesses


async def test_more_than_the_limit_is_not_given_in_one_answer() -> None:
    images = Held(instance("2.25.1"), instance("2.25.2"))
    async with listening(images=images, limits={"instances": 1}, **READ) as door:
        assert (await fetch(door, f"/studies/{STUDY}")).status == 413


async def test_an_answer_that_breaks_in_the_middle_has_no_end() -> None:
    images = Held(instance("2.25.1"))
    purged = Body(10, bytes(32))  # its file was there when it was looked up
    images.stored.append(dataclasses.replace(images.stored[0], body=purged))
    async with listening(images=images, **READ) as door, wire(door.address) as client:
        await client.write(get(f"/studies/{STUDY}"))
        assert (await client.read()).status == 200
        with pytest.raises((EOFError, ConnectionError)):
            await dechunked(client)


# --------------------------------------------------------------------------- metadata, frames, values


async def test_metadata_hold_what_is_small_and_the_url_of_what_is_large() -> None:
    made = dataset("2.25.1")
    made.add_new(0x00420011, "OB", bytes(2000))
    item = Dataset()
    item.CodeValue = "C1"
    made.ConceptNameCodeSequence = Items([item])
    async with listening(images=Held(file_of(made)), **READ) as door:
        got = await fetch(door, f"{ONE}/metadata")
        (found,) = got.json
        assert got.headers["content-type"] == "application/dicom+json"
        assert found["00100010"]["Value"] == [{"Alphabetic": "ESSAI^IMAGERIE"}]
        assert found["0040A043"]["Value"][0]["00080100"]["Value"] == ["C1"]
        assert found["00420011"] == {
            "vr": "OB",
            "BulkDataURI": f"http://images.example{ONE}/bulkdata/00420011",
        }
        assert found["7FE00010"] == {
            "vr": "OB",
            "BulkDataURI": f"http://images.example{ONE}/bulkdata/7FE00010",
        }
        assert list(found) == sorted(found)
        for path, expected in (
            ("00420011", bytes(2000)),
            ("7FE00010", bytes(range(64))),
            ("0040A043/1/00080100", b"C1"),
        ):
            ((_, value),) = parts_of(await fetch(door, f"{ONE}/bulkdata/{path}"))
            assert value == expected
        for path in ("00420012", "0040A043", "0040A043/2/00080100", "00420011/1/00080100"):
            assert (await fetch(door, f"{ONE}/bulkdata/{path}")).status == 404


async def test_metadata_of_what_breaks_off_are_what_is_searched_by() -> None:
    content = instance("2.25.1")
    images = Held(content)
    images.stored[0] = dataclasses.replace(images.stored[0], body=Body.of(content[:-80]))
    async with listening(images=images, **READ) as door:
        (found,) = (await fetch(door, f"{ONE}/metadata")).json
    assert found["00080018"]["Value"] == ["2.25.1"]
    assert "7FE00010" not in found


async def test_metadata_of_several_are_one_array() -> None:
    async with listening(images=Held(instance("2.25.1"), instance("2.25.2")), **READ) as door:
        found = (await fetch(door, f"/studies/{STUDY}/metadata")).json
    assert [each["00080018"]["Value"] for each in found] == [["2.25.1"], ["2.25.2"]]


async def test_frames_of_plain_pixels_are_cut_by_their_size() -> None:
    made = dataset("2.25.1", pixels=256)
    made.NumberOfFrames, made.Rows = 4, 8
    async with listening(images=Held(file_of(made)), **READ) as door:
        parts = parts_of(await fetch(door, f"{ONE}/frames/2,4", accept=FRAMES))
        assert [content for _, content in parts] == [bytes(range(64, 128)), bytes(range(192, 256))]
        alone = await fetch(door, f"{ONE}/frames/1", accept="application/octet-stream")
        assert (alone.status, alone.body) == (200, bytes(range(64)))
        assert (await fetch(door, f"{ONE}/frames/5", accept=FRAMES)).status == 404
        assert (await fetch(door, f"{ONE}/frames/0", accept=FRAMES)).status == 404


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("rtdose_rle.dcm", "image/dicom-rle"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "image/jp2"),
        ("SC_rgb_jpeg_dcmtk.dcm", "image/jpeg"),
        ("examples_ybr_color.dcm", "image/jpeg"),
    ],
)
async def test_frames_that_are_encapsulated_are_given_as_they_are(name: str, kind: str) -> None:
    content = _test_file(name)
    made = dcmread(BytesIO(content))
    count = int(made.get("NumberOfFrames", 1))
    expected = list(generate_frames(made.PixelData, number_of_frames=count))
    path = f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    accept = f'multipart/related; type="{kind}"; transfer-syntax=*'
    async with listening(images=Held(content), **READ) as door:
        numbers = ",".join(map(str, range(1, count + 1)))
        got = await fetch(door, f"{path}/frames/{numbers}", accept=accept)
        assert [part for _, part in parts_of(got)] == expected
        assert (await fetch(door, f"{path}/frames/1", accept=FRAMES)).status == 406
        assert (await fetch(door, f"{path}/bulkdata/7FE00010")).status == 406


@pytest.mark.parametrize("table", [True, False])
async def test_frames_of_several_fragments_are_put_together(table: bool) -> None:
    whole = [b"\xff\xd8" + bytes([number]) * 998 for number in range(3)]
    made = dataset("2.25.1")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.NumberOfFrames = 3
    made.PixelData = encapsulate(whole, fragments_per_frame=4, has_bot=table)
    accept = 'multipart/related; type="image/jpeg"; transfer-syntax=*'
    async with listening(images=Held(file_of(made)), **READ) as door:
        parts = parts_of(await fetch(door, f"{ONE}/frames/1,3", accept=accept))
    assert [content for _, content in parts] == [whole[0], whole[2]]


async def test_frames_that_cannot_be_told_apart_are_not_given() -> None:
    made = dataset("2.25.1")
    made.file_meta.TransferSyntaxUID = RLELossless
    made.NumberOfFrames = 3
    made.PixelData = encapsulate([bytes(1000)] * 3, fragments_per_frame=2, has_bot=False)
    async with listening(images=Held(file_of(made)), **READ) as door:
        got = await fetch(door, f"{ONE}/frames/1")
    assert got.status == 404 and "told apart" in got.json["detail"]


def _test_file(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:
        return file.read()


# --------------------------------------------------------------------------- methods


async def test_methods_are_told_by_resource() -> None:
    async with listening(**READ) as door:
        assert (await fetch(door, "/studies", method="DELETE")).status == 405
        options = await fetch(door, "/studies", method="OPTIONS")
        assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        async with wire(door.address) as client:
            await client.write(stow(related(instance("2.25.1")), path=f"/studies/{STUDY}/series/{SERIES}"))
            assert (await client.read()).status == 405


async def test_a_reader_that_stops_reading_is_cut() -> None:
    content = instance("2.25.1", pixels=8_000_000)
    timeouts = {"head": "1s", "body": "1s", "idle": "1s"}
    async with (
        listening(images=Held(content), timeouts=timeouts, **READ) as door,
        wire(door.address) as client,
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that can be read
        await client.write(get(ONE))
        async with asyncio.timeout(LIMIT):
            while door.channel._callers or not door.accesses:  # noqa: ASYNC110  nobody tells of a lost connection
                await asyncio.sleep(0.01)
