"""Frames come out whole however the stream was cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.hl7 import framing
from engine.cli.hl7.framing import Frames, TooLarge, framed

STREAM = b"\r\n\x0bMSH|one\r\x1c\r\x0b\x1cMSH|two\r\x1c\r\r\x0bMSH|three\x1c\r\x0bMSH|cut"


def test_a_frame_is_its_message_between_the_standards_bytes() -> None:
    assert framed(b"MSH|^~\\&|\r") == b"\x0bMSH|^~\\&|\r\x1c\r"


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_cut_gives_the_same_messages(cuts: list[int]) -> None:
    frames = Frames()
    found: list[bytes] = []
    for start, end in pairwise(sorted({0, len(STREAM), *cuts})):
        found += frames.feed(STREAM[start:end])
    assert found == [b"MSH|one\r", b"\x1cMSH|two\r", b"MSH|three"]


def test_a_frame_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MOST_BYTES", 10)
    with pytest.raises(TooLarge):
        Frames().feed(b"\x0b" + b"x" * 10)
