"""Escape sequences: what stands for a character is decoded, what says how to show it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.hl7v2.delimiters import NONE, delimiters_of
from engine.codecs.hl7v2.escapes import Unwritable

STANDARD = delimiters_of("|", "^~\\&")
FIVE = delimiters_of("|", "^~\\&#")
ODD = delimiters_of("#", "!@%*")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f", "a|b^c~d&e\\f"),
        ("\\X0D0A\\x\\X41\\", "\r\nxA"),
        ("\\H\\bold\\N\\ \\.br\\ \\.sp+3\\ \\Zab c\\ \\C2842\\ \\M24337E\\", None),
        ("\\XC3A9\\", None),
        ("C:\\temp", None),
        ("end\\", None),
        ("\\", None),
        ("\\\\", None),
        ("\\Q\\", None),
        ("\\P\\", None),
        ("\\X4\\", None),
        ("a\\E\\", "a\\"),
        ("\\temp\\F\\", "\\temp|"),
    ],
)
def test_a_leaf_is_read(raw: str, text: str | None) -> None:
    assert STANDARD.read(raw) == (raw if text is None else text)


def test_the_truncation_character_has_an_escape_where_it_is_declared() -> None:
    assert FIVE.read("\\P\\") == "#"
    assert FIVE.write("#") == "\\P\\"
    assert FIVE.write("a#b") == "a#b"
    assert STANDARD.write("#") == "#"


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("a|b^c~d&e\\f", "a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f"),
        ("one\r\ntwo\x1c\ttab", "one\\X0D\\\\X0A\\two\\X1C\\\ttab"),
        ("\\H\\bold\\N\\ \\.br\\", "\\H\\bold\\N\\ \\.br\\"),
        ("\\F\\", "\\E\\F\\E\\"),
        ('""', "\\X22\\\\X22\\"),
        ("é", "é"),
    ],
)
def test_a_text_is_written(text: str, raw: str) -> None:
    assert STANDARD.write(text) == raw


@given(st.text(st.sampled_from("|^~\\&#FSRTEPHNXZCM.br049AC\r\n\"'é "), max_size=20))
def test_what_is_written_reads_as_the_same_text(text: str) -> None:
    for marks in (STANDARD, FIVE, ODD):
        raw = marks.write(text)
        assert marks.read(raw) == text
        assert not {marks.field, *marks.inner, "\r", "\n"} & set(raw)


@pytest.mark.parametrize("encoding", ["^~", "^", "^~0&"])
def test_without_a_usable_escape_character_delimiters_cannot_be_written(encoding: str) -> None:
    marks = delimiters_of("|", encoding)
    assert marks.read("a\\T\\") == "a\\T\\"
    assert marks.write("a & b" if encoding != "^~0&" else "a") in ("a & b", "a")
    for text in ("a|b", "a\rb", '""'):
        with pytest.raises(Unwritable):
            marks.write(text)


def test_a_repeated_character_divides_nothing() -> None:
    marks = delimiters_of("|", "^~\\\\&")
    assert (marks.escape, marks.subcomponent, marks.truncation) == ("\\", NONE, "&")
