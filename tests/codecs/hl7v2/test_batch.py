"""Batch files: cut at their envelope, every byte kept, counts checked."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.batch import read_batch, split
from engine.errors import MalformedMessage

ONE = "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.3\rPID|1\r"
TWO = "MSH#!@%*#A#B###2026##ADT!A01#2#P#2.3\rNTE#1##FTS in a text\r"
FILE = f"FHS|^~\\&|A\rBHS|^~\\&|A\r{ONE}{TWO}BTS|2\rFTS|1\r"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("lead", ["", "\ufeff", "\r\n"])
def test_messages_keep_their_bytes(end: str, lead: str) -> None:
    data = (lead + FILE).replace("\r", end).encode()
    batch = read_batch(data)
    assert [member.data for member in batch.messages] == [
        part.replace("\r", end).encode() for part in (ONE, TWO)
    ]
    assert b"".join(batch.parts) == data
    assert [data[member.offset :][:3] for member in batch.messages] == [b"MSH", b"MSH"]
    assert batch.faults == ()


def test_several_batches_are_counted_one_by_one() -> None:
    data = f"FHS|^~\\&\rBHS|^~\\&\r{ONE}BTS|1\rBHS|^~\\&\r{ONE}{TWO}BTS|2|done\rFTS|2\r".encode()
    assert len(split(data)) == 3


@pytest.mark.parametrize("data", [ONE + TWO, f"BHS|^~\\&\r{ONE}{TWO}BTS\r", f"FHS|^~\\&\r{ONE}{TWO}FTS|\r"])
def test_envelopes_and_counts_are_optional(data: str) -> None:
    assert len(split(data.encode())) == 2


def test_one_message_is_a_batch_of_one() -> None:
    assert split(ONE.encode()) == [ONE.encode()]


@pytest.mark.parametrize(
    ("data", "path", "at"),
    [
        (FILE.replace("BTS|2", "BTS|3"), "BTS-1", "BTS"),
        (FILE.replace("BTS|2", "BTS|two"), "BTS-1", "BTS"),
        (FILE.replace("FTS|1", "FTS|2"), "FTS-1", "FTS|"),
        (FILE.replace("FTS|1\r", ""), "FTS", ""),
        (FILE.replace("BTS|2\r", ""), "BTS", ""),
        (FILE.replace("BHS|^~\\&|A\r", "").replace("FTS|1", "FTS"), "BTS", "BTS"),
    ],
)
def test_a_wrong_envelope_is_refused_with_its_position(data: str, path: str, at: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        split(data.encode())
    assert caught.value.faults[0].path == path
    assert caught.value.position == (data.rindex(at) if at else len(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"BTS|1\r", b"PID|1\rMSH|^~\\&\r"])
def test_what_is_no_file_of_messages_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        split(data)


def test_a_line_feed_in_a_field_begins_no_message() -> None:
    data = b"MSH|^~\\&|A\rNTE|1||one\nMSH|two\rPID|1\r"
    assert split(data) == [data]
