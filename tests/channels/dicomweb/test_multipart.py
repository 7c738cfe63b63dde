"""Multipart bodies are cut at their delimiters however they arrive, and within bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.dicomweb.multipart import (
    HEAD_BYTES,
    BrokenMultipart,
    MediaType,
    Reader,
    last_delimiter,
    media_type,
    part_head,
)


class Kept:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.heads: list[Mapping[str, str]] = []
        self.parts: list[bytes] = []
        self.finished = 0

    def begin(self, head: Mapping[str, str]) -> None:
        self.heads.append(head)
        self.parts.append(b"")

    def write(self, data: bytes) -> None:
        assert data
        self.parts[-1] += data

    def finish(self) -> None:
        self.finished += 1


def read(*pieces: bytes, boundary: bytes = b"x") -> Kept:
    kept = Kept()
    reader = Reader(boundary, kept)
    for piece in pieces:
        reader.feed(piece)
    reader.end()
    assert kept.finished == len(kept.parts)
    return kept


WHOLE = b"preamble\r\n--x \t\r\nA: b\r\nContent-Type: application/dicom\r\n\r\none\r\n--x\r\n\r\n\r\n--x--epilogue"


def test_parts_have_heads_and_contents() -> None:
    kept = read(WHOLE)
    assert kept.parts == [b"one", b""]
    assert kept.heads == [{"a": "b", "content-type": "application/dicom"}, {}]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 19])
def test_pieces_may_end_anywhere(size: int) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    assert read(*pieces).parts == [b"one", b""]


def test_what_begins_like_a_delimiter_is_content() -> None:
    assert read(b"--x\r\n\r\n\r\n--\r\n-\r\n--y\r\n--x--").parts == [b"\r\n--\r\n-\r\n--y"]


@given(
    st.lists(st.binary(max_size=40).filter(lambda data: b"--q" not in data), min_size=1, max_size=5),
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_whatever_is_written_is_read_again(contents: list[bytes], cuts: list[int]) -> None:
    body = b"".join(part_head("q", "a/b") + each + b"\r\n" for each in contents) + last_delimiter("q")
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(body[at : at + cut])
        at += cut
    assert read(*pieces, body[at:], boundary=b"q").parts == contents


@given(st.binary(max_size=200), st.integers(1, 200))
def test_any_bytes_are_read_or_refused(data: bytes, cut: int) -> None:
    kept = Kept()
    reader = Reader(b"x", kept)
    body = b"--x\r\n" + data
    try:
        reader.feed(body[:cut])
        reader.feed(body[cut:])
        reader.end()
    except BrokenMultipart:
        return
    assert kept.finished == len(kept.parts)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"--x\r\n\r\nabc", "ends before"),
        (b"--x\r\nno header\r\n\r\nabc\r\n--x--", "no header"),
        (b"--xy\r\n\r\nabc\r\n--x--", "other text"),
        (b"z" * (HEAD_BYTES + 100), "no part begins"),
        (b"--x\r\nA: " + b"z" * HEAD_BYTES, "longer than"),
        (b"--x\r\n" + b"A: b\r\n" * 40 + b"\r\nabc\r\n--x--", "lines"),
        (b"--x" + b" " * 300, "does not end"),
    ],
)
def test_what_cannot_be_followed_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BrokenMultipart, match=why):
        read(body)


def test_a_million_parts_and_near_delimiters_cost_time_in_proportion() -> None:
    many, near = b"--x\r\n\r\n\r\n" * 100_000 + b"--x--", b"--x\r\n\r\n" + b"\r\n--" * 500_000 + b"\r\n--x--"
    began = time.process_time()
    assert len(read(many).parts) == 100_000
    assert len(read(near).parts[0]) == 2_000_000
    assert time.process_time() - began < 5


def test_media_types_are_read_with_their_parameters() -> None:
    assert media_type('Multipart/Related; TYPE="application/dicom"; boundary=a-b;x="q\\"r"') == MediaType(
        "multipart/related", {"type": "application/dicom", "boundary": "a-b", "x": 'q"r'}
    )
    assert media_type("nonsense") is None
    assert media_type('a/b; c="open') is None


@pytest.mark.parametrize("boundary", ["", "a" * 201, 'with"quote', "ends with blank "])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(BrokenMultipart):
        _ = MediaType("multipart/related", {"boundary": boundary}).boundary
