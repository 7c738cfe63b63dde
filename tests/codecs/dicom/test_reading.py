"""Reading heads of instances, and data sets without files, as pydicom's; with bounds that hostile bytes meet."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest

from engine.codecs.dicom.bounds import MAX_DEPTH, MAX_ELEMENTS
from engine.codecs.dicom.encoding import decode, encode
from engine.codecs.dicom.json_model import to_json
from engine.codecs.dicom.reading import read_head
from engine.errors import MalformedMessage
from tests.codecs.dicom.samples import (
    BIG,
    BROKEN,
    DEFLATED,
    EXPLICIT,
    FORMS,
    IMPLICIT,
    ct,
    item,
    part10,
    shipped,
)


@pytest.mark.parametrize("path", list(shipped()), ids=lambda path: path.name)
def test_the_head_of_every_file_is_what_pydicom_reads(path: Path) -> None:
    if path.name in BROKEN - {"MR_truncated.dcm"}:
        with pytest.raises(MalformedMessage):
            read_head(path)
        return
    head = read_head(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = pydicom.dcmread(path, stop_before_pixels=True)
        same = [tag for tag, _ in known.items() if tag < 0x7FE00000 and tag.element]
        assert [tag for tag in same if head[tag] != known[tag]] == []
    assert head.file_meta.TransferSyntaxUID == known.file_meta.TransferSyntaxUID


@pytest.mark.parametrize("syntax", FORMS)
def test_a_head_holds_what_was_asked_for_and_no_pixel_data(syntax: str, tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(part10(ct(), syntax))
    head = read_head(path, tags=["PatientName", 0x00400275, "Modality", "AccessionNumber", "PixelData"])
    assert str(head.PatientName) == "Bélanger^Zoé"
    assert head.RequestAttributesSequence[1].ScheduledProcedureStepDescription == "Tête"
    assert "PatientID" not in head and "PixelData" not in head
    assert "PixelData" not in read_head(path)


def test_a_large_file_is_not_read_for_its_head(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    data = part10(ct())
    with path.open("wb") as file:
        file.write(data[: data.index(struct.pack("<HH", 0x7FE0, 0x0010))])
        file.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 1 << 30))
        file.truncate(file.tell() + (1 << 30))
    tracemalloc.start()
    try:
        assert read_head(path).PatientID == "4711"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("syntax", FORMS)
def test_a_data_set_is_the_same_after_it_was_written_and_read(syntax: str) -> None:
    known = ct()
    del known[0x00291010]  # its representation is lost where the data set does not say it
    assert to_json(decode(encode(known, syntax), syntax)) == to_json(known)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Bélanger^Zoé"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "Zoé=山田^太郎"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_texts_are_read_and_written_in_their_character_set(charset: str | list[str], name: str) -> None:
    known = item(SpecificCharacterSet=charset, PatientName=name)
    assert str(decode(encode(known, EXPLICIT), EXPLICIT).PatientName) == name


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def nested(depth: int) -> bytes:
    """Return sequences of undefined length within one another."""
    opening = struct.pack("<HH2sHL", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return opening * depth + closing * depth


HOSTILE = {
    "a length beyond the end": (element(0x00100020, b"LO", b"x")[:-1] + b"", EXPLICIT),
    "four gigabytes": (struct.pack("<HH2sHL", 0x0028, 0x2000, b"OB", 0, 0xFFFFFFFE), EXPLICIT),
    "no order": (element(0x00100020, b"LO", b"ab") + element(0x00100010, b"PN", b"ab"), EXPLICIT),
    "twice": (element(0x00100020, b"LO", b"ab") * 2, EXPLICIT),
    "a text without a length": (struct.pack("<HHL", 0x7FE0, 0x0020, 0xFFFFFFFF), IMPLICIT),
    "half an element": (b"\x10\x00\x20", EXPLICIT),
    "a delimiter outside": (struct.pack("<HHL", 0xFFFE, 0xE00D, 0), IMPLICIT),
    "an item without its end": (nested(3)[:-24], EXPLICIT),
    "too deep": (nested(MAX_DEPTH + 1), EXPLICIT),
    "no deflate": (b"\x07" * 50, DEFLATED),
    "a number of three bytes": (element(0x00280010, b"US", b"abc"), EXPLICIT),
    "big as little": (encode(item(PatientID="4711"), BIG), EXPLICIT),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_data_set_is_refused(name: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(*HOSTILE[name])
    assert caught.value.position is not None


def test_a_depth_at_the_bound_is_read() -> None:
    assert 0x00400275 in decode(nested(MAX_DEPTH), EXPLICIT)


def test_there_is_a_bound_to_the_number_of_elements() -> None:
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * (MAX_ELEMENTS + 1)
    data = struct.pack("<HH2sHL", 0x0040, 0x0275, b"SQ", 0, len(items)) + items
    with pytest.raises(MalformedMessage, match="elements"):
        decode(data, EXPLICIT)


def test_a_deflate_bomb_is_not_inflated() -> None:
    deflate = zlib.compressobj(wbits=-15)
    bomb = deflate.compress(bytes(80 << 20)) + deflate.flush()
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage, match="inflates"):
            decode(bomb, DEFLATED)
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def test_an_error_names_the_tag_and_not_the_value() -> None:
    with pytest.raises(MalformedMessage, match=r"\(0028,0010\)") as caught:
        decode(element(0x00280010, b"US", b"Zoe"), EXPLICIT)
    assert "Zoe" not in str(caught.value)


@pytest.mark.parametrize("cut", range(0, 900, 7))
def test_a_file_that_was_cut_is_malformed_or_shorter(cut: int) -> None:
    data = part10(ct())
    try:
        head = read_head(data[:cut])
    except MalformedMessage:
        return
    assert len(head) <= len(read_head(data))
