"""The codec as the engine calls it: bodies in files, large ones as pieces, and bytes that are meant to harm."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.codecs import codec, written
from engine.codecs.dicom import CODEC, DicomDocument
from engine.codecs.dicom.scanning import ALL_TAGS
from engine.errors import ExpressionError, MalformedMessage, Rejected, Transient
from engine.model import Body, Extent, Message
from engine.store.sqlite.files import BodyFiles
from tests.codecs.dicom.samples import FORMS, ct, part10

LARGE = 64 * 1024 * 1024


def test_the_engine_finds_it_by_its_name() -> None:
    assert codec("dicom") is CODEC
    assert CODEC.notation("DERIVED\\SECONDARY") == ["DERIVED", "SECONDARY"]
    assert CODEC.notation("CT") == "CT"


def message(body: Body) -> Message:
    return Message("m", "l", body, "dicom", 0)


def in_file(path: Path, pixel_bytes: int) -> Body:
    """Return the body of an instance whose pixel data has that length."""
    data = part10(ct())
    with path.open("wb") as file:
        file.write(data[: data.index(struct.pack("<HH", 0x7FE0, 0x0010))])
        file.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, pixel_bytes))
        size = file.truncate(file.tell() + pixel_bytes)
    return Body(size, b"\0" * 32, None, path)


def test_a_large_instance_is_changed_without_being_read(tmp_path: Path) -> None:
    body = in_file(tmp_path / "large", LARGE)
    files = BodyFiles(tmp_path / "bodies")
    tracemalloc.start()
    try:
        document = CODEC.decode(message(body))
        CODEC.path("PatientID").set(document.root, "a longer identifier")
        made = written(document, "application/dicom")
        relative, digest = files.keep(made)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert any(isinstance(piece, Extent) and piece.size >= LARGE for piece in made.pieces)
    whole = (tmp_path / "bodies" / relative).read_bytes()
    assert len(whole) == made.size and hashlib.sha256(whole).digest() == digest
    assert whole == CODEC.encode(document) == made.read()
    again = CODEC.decode(message(Body(len(whole), digest, None, tmp_path / "bodies" / relative)))
    assert CODEC.path("PatientID").get(again.root) == "a longer identifier"


def test_a_small_instance_is_written_at_once(tmp_path: Path) -> None:
    document = CODEC.decode(message(in_file(tmp_path / "small", 512)))
    CODEC.path("PatientID").set(document.root, "4712")
    body = written(document, "application/dicom")
    assert body == Body.of(CODEC.encode(document), "application/dicom")


def test_a_file_that_is_gone_can_come_back(tmp_path: Path) -> None:
    body = in_file(tmp_path / "x", 1 << 20)
    document = CODEC.decode(message(body))
    (tmp_path / "x").unlink()
    with pytest.raises(Transient):
        CODEC.decode(message(body))
    assert CODEC.path("PatientID").get(document.root) == "4711"


def test_what_is_no_instance_cannot_be_written() -> None:
    with pytest.raises(Rejected):
        CODEC.encode(DicomDocument("x"))


@pytest.mark.parametrize("syntax", FORMS)
def test_damaged_bytes_are_refused_or_read_but_never_break_anything(syntax: str) -> None:
    """Bits that flip, pieces that go, lengths that lie: whatever is read can be written, or is refused as malformed."""
    rng = random.Random(syntax)
    data = part10(ct(), syntax)
    clock = SystemClock()
    until = clock.monotonic() + 2.0
    runs = refused = 0
    while clock.monotonic() < until or runs < 200:
        runs += 1
        try:
            _exercise(_damaged(data, rng), rng)
        except (MalformedMessage, Rejected):
            refused += 1
    assert 0 < refused < runs


LIES = (b"\xff\xff\xff\xff", b"\0\0\0\x7f", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")


def _damaged(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(128, len(made))
        kind = rng.randrange(4)
        if kind == 0:
            made[at] = rng.randrange(256)
        elif kind == 1:
            del made[at : at + rng.randint(1, 12)]
        elif kind == 2:
            made[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\x7f", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")
            )
        else:
            other = rng.randrange(128, len(made))
            made[at:at] = made[other : other + rng.randint(1, 24)]
    return bytes(made)


PATHS = (
    "PatientName",
    "RequestAttributesSequence[*].ScheduledProcedureStepID",
    "ImageType",
    "Rows",
    '(0029,"PASSERELLE TEST",10)',
)


def _exercise(data: bytes, rng: random.Random) -> None:
    document = CODEC.decode(message(Body.of(data)))
    for path in PATHS:
        CODEC.path(path).get(document.root)
    copy = document.copy()
    CODEC.path("PatientID").set(copy.root, "X")
    CODEC.path(rng.choice(PATHS)).remove(copy.root)
    again = CODEC.decode(message(Body.of(CODEC.encode(copy))))
    assert CODEC.path("PatientID").get(again.root) == "X"
    assert all(element.tag < ALL_TAGS for element in document.root.all())
    assert CODEC.encode(document) == data


def test_no_text_makes_the_grammar_fail() -> None:
    rng = random.Random(5)
    parts = [
        "PatientName",
        "(0010,",
        "0010)",
        "[",
        "]",
        "0",
        "*",
        ".",
        '"',
        "x",
        " ",
        "==",
        "(0029,",
        '"A"',
        ",10)",
    ]
    for _ in range(3000):
        text = "".join(rng.choice(parts) for _ in range(rng.randint(0, 7)))
        try:
            CODEC.path(text)
            CODEC.path_extent(text, 0)
        except ExpressionError as error:
            assert 0 <= error.offset <= len(text)


def test_an_engine_without_images_does_not_load_pydicom() -> None:
    program = "import sys, engine.app, engine.steps.deidentify; sys.exit('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
