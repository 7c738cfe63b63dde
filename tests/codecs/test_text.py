"""The codecs `text` and `opaque`: what is not changed keeps its bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs import codec, codec_names
from engine.codecs.opaque import CODEC as OPAQUE
from engine.codecs.text import CHARSETS, CODEC
from engine.errors import ExpressionError, MalformedMessage, NotFound, Rejected
from engine.model import Body
from tests.codecs.values import message

THREE = "one\r\ntwo\nthree"


@pytest.mark.parametrize("charset", CHARSETS)
@given(raw=st.binary(max_size=40))
def test_a_text_in_any_charset_keeps_its_bytes_or_is_refused(charset: str, raw: bytes) -> None:
    try:
        document = CODEC.decode(message(raw, content_type=f'text/plain; Charset="{charset.upper()}"'))
    except MalformedMessage as error:
        assert error.position is not None and error.position < len(raw)
    else:
        assert CODEC.encode(document) == raw


@given(st.text(alphabet="ab\r\n", max_size=12), st.integers(0, 5))
def test_setting_a_line_to_itself_changes_nothing(text: str, number: int) -> None:
    root = CODEC.decode(message(text.encode())).root
    path = CODEC.path(f"line[{number}]")
    if number < len(root.lines()):
        path.set(root, path.get(root))
    assert root.text == text
    assert root.lines() == re.split(r"\r\n|\r|\n", text)[: len(root.lines())]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text", THREE),
        ("line[0]", "one"),
        ("line[2]", "three"),
        ("line[3]", ""),
        ("line[*]", ["one", "two", "three"]),
    ],
)
def test_a_path_reads_lines_without_their_ends(path: str, value: Any) -> None:
    assert CODEC.path(path).get(CODEC.decode(message(THREE.encode())).root) == value


@pytest.mark.parametrize(
    ("path", "expected"),
    [("line[1]", "one\r\nX\nthree"), ("line[3]", "one\r\ntwo\nthree\nX"), ("text", "X")],
)
def test_setting_keeps_the_other_line_ends(path: str, expected: str) -> None:
    document = CODEC.decode(message(THREE.encode()))
    twin = document.copy()
    CODEC.path(path).set(document.root, "X")
    assert document.root.text == expected
    assert twin.root.text == THREE


@pytest.mark.parametrize(
    ("path", "value"), [("line[9]", "x"), ("line[*]", "x"), ("text", 3), ("line[0]", None)]
)
def test_what_cannot_be_set_is_refused(path: str, value: Any) -> None:
    with pytest.raises(Rejected):
        CODEC.path(path).set(CODEC.decode(message(THREE.encode())).root, value)


@pytest.mark.parametrize(
    ("path", "expected"), [("line[1]", "one\r\nthree"), ("line[9]", THREE), ("text", ""), ("line[*]", "")]
)
def test_removing_takes_the_line_end_too(path: str, expected: str) -> None:
    root = CODEC.decode(message(THREE.encode())).root
    CODEC.path(path).remove(root)
    assert root.text == expected


def test_a_character_that_the_charset_lacks_is_named_by_its_place() -> None:
    document = CODEC.decode(message(b"ab", content_type="text/plain; charset=us-ascii"))
    document.root.text = "abé"
    with pytest.raises(Rejected, match="character 2"):
        CODEC.encode(document)


def test_a_charset_that_is_not_known_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="utf-8"):
        CODEC.decode(message(b"", content_type="text/plain; charset=utf-7"))


@pytest.mark.parametrize("path", ["", "lines", "line[x]", "text.more"])
def test_a_text_has_no_other_paths(path: str) -> None:
    with pytest.raises(ExpressionError):
        CODEC.path(path)


def test_the_extent_of_a_text_path() -> None:
    assert CODEC.path_extent("msg.line[12] == 'x'", 4) == 12
    assert CODEC.path_extent("{msg.text}", 5) == 9


def test_an_opaque_body_is_carried_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "image"
    body = Body(12, b"\x01" * 32, None, file)
    document = OPAQUE.decode(message(b"")).copy()
    document.root = body
    assert OPAQUE.path("size").get(document.root) == 12
    assert OPAQUE.path("sha256").get(document.root) == "01" * 32
    file.write_bytes(b"twelve bytes")
    assert OPAQUE.encode(document) == b"twelve bytes"


def test_an_opaque_body_cannot_be_changed() -> None:
    document = OPAQUE.decode(message(b"x"))
    with pytest.raises(Rejected):
        OPAQUE.path("size").set(document.root, 3)
    with pytest.raises(Rejected):
        OPAQUE.path("size").remove(document.root)
    with pytest.raises(ExpressionError):
        OPAQUE.path("width")
    document.root = {"a": 1}
    with pytest.raises(Rejected):
        OPAQUE.encode(document)


def test_codecs_are_found_by_name() -> None:
    assert {"json", "opaque", "text"} <= set(codec_names())
    for name in codec_names():
        assert codec(name).name == name
    with pytest.raises(NotFound, match="json"):
        codec("hl7")
