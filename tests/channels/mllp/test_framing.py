"""Frames: cut anywhere, several at once, with garbage around them, other bytes, and limits by what really arrives."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.mllp.framing import HEAD_BYTES, TOO_LARGE, Frame, FrameReader, Framing
from tests.channels.mllp.wire import framed, message

FIRST, SECOND, THIRD = message("A"), message("B"), b"\x1c|no end \x0b\x1c\x0b"
STREAM = b"\r\n" + framed(FIRST) + b"\r" + framed(SECOND, THIRD)
ALL = [FIRST, SECOND, THIRD]


def read(pieces: list[bytes], *, framing: Framing | None = None, limit: int = 16 * 2**20) -> list[Frame]:
    """Return the frames of a stream that arrives in pieces."""
    reader = FrameReader(framing or Framing(), limit)
    frames = []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next()) is not None:
            frames.append(frame)
    return frames


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_stream_may_be_cut_anywhere(at: int) -> None:
    assert [frame.content for frame in read([STREAM[:at], STREAM[at:]])] == ALL


def test_a_stream_may_come_byte_by_byte() -> None:
    assert [frame.content for frame in read([STREAM[at : at + 1] for at in range(len(STREAM))])] == ALL


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_may_be_cut_into_any_pieces(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(places)]
    assert [frame.content for frame in read(pieces)] == ALL


@given(
    contents=st.lists(
        st.binary(max_size=60).filter(lambda data: b"\x02\x03" not in data + b"\x02"), max_size=5
    ),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_frames_may_have_other_bytes(contents: list[bytes], cuts: list[int]) -> None:
    framing = Framing(b"\x01\x01", b"\x02\x03", b"")
    contents = [data for data in contents if b"\x02\x03" not in data and not data.endswith(b"\x02")]
    stream = b"".join(b"\x01\x01" + data + b"\x02\x03" for data in contents)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert [frame.content for frame in read(pieces, framing=framing)] == contents


def test_garbage_and_keep_alive_bytes_are_counted_apart() -> None:
    reader = FrameReader(Framing(), 1000)
    reader.feed(b"\r\n\r\nGET / HTTP" + framed(FIRST) + b"\r\n")
    assert reader.next() == Frame(FIRST, len(FIRST))
    assert reader.next() is None
    assert (reader.garbage, reader.keep_alive) == (8, 8)


def test_a_frame_may_be_as_large_as_the_limit() -> None:
    assert read([framed(b"x" * 1000)], limit=1000) == [Frame(b"x" * 1000, 1000)]


@pytest.mark.parametrize("step", [1, 7, 4096, 10**6])
def test_one_byte_more_is_too_large_and_what_follows_is_read(step: int) -> None:
    stream = framed(b"MSH" + b"x" * 40_000, b"next")
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    large, after = read(pieces, limit=40_002)
    assert (large.size, large.fault) == (40_003, TOO_LARGE)
    assert large.content == b"MSH" + b"x" * (HEAD_BYTES - 3)
    assert after == Frame(b"next", 4)


def test_what_is_too_large_is_not_kept() -> None:
    reader = FrameReader(Framing(), 100_000)
    reader.feed(b"\x0b")
    most = 0
    for _ in range(1000):
        reader.feed(b"y" * 10_000)
        assert reader.next() is None
        most = max(most, reader.held)
    assert most <= 100_001


def test_an_end_that_the_dropped_part_seems_to_make_is_none() -> None:
    reader = FrameReader(Framing(), HEAD_BYTES)
    reader.feed(b"\x0b" + b"x" * (HEAD_BYTES - 1) + b"\x1c" + b"y" * 10)
    assert reader.next() is None
    reader.feed(b"z\r" + b"w" * 5 + b"\x1c\r")
    frame = reader.next()
    assert frame is not None
    assert frame.size == HEAD_BYTES + 17


def test_reading_costs_linear_time() -> None:
    """Measures real time: a quadratic reader takes minutes here."""
    began = time.monotonic()
    reader = FrameReader(Framing(), 32 * 2**20)
    reader.feed(b"\x0b")
    for _ in range(20_000):
        reader.feed(b"\x1c" * 1000)
        assert reader.next() is None
    reader.feed(b"\x1c\r")
    assert reader.next() is not None
    assert time.monotonic() - began < 5
