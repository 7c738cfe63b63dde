"""The content of a body, read as a whole and piece by piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model import CHUNK, Body, Extent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of two and a half chunks, each of other bytes."""
    path = tmp_path / "body"
    path.write_bytes(b"a" * CHUNK + b"b" * CHUNK + b"c" * (CHUNK // 2))
    return path


def test_an_extent_is_read_from_its_offset_and_no_further(file: Path) -> None:
    chunks = list(Extent(file, CHUNK - 1, CHUNK + 2).chunks())
    assert [len(each) for each in chunks] == [CHUNK, 2]
    assert b"".join(chunks) == b"a" + b"b" * CHUNK + b"c"


@pytest.mark.parametrize("size", [0, -1])
def test_an_extent_of_nothing_has_no_chunks(file: Path, size: int) -> None:
    assert list(Extent(file, 3, size).chunks()) == []


def test_a_file_that_has_become_shorter_is_an_error_not_a_shorter_body(file: Path) -> None:
    with pytest.raises(OSError, match="shorter"):
        list(Body(3 * CHUNK, bytes(32), None, file).chunks())


def test_a_body_in_a_file_is_read_in_chunks(file: Path) -> None:
    body = Body(file.stat().st_size, bytes(32), None, file)
    assert [len(each) for each in body.chunks()] == [CHUNK, CHUNK, CHUNK // 2]
    assert body.read() == file.read_bytes()


def test_a_body_in_memory_is_one_chunk_whatever_its_size() -> None:
    content = bytes(2 * CHUNK)
    assert list(Body.of(content).chunks()) == [content]


def test_a_body_of_pieces_is_their_sum(file: Path) -> None:
    body = Body(10, b"", pieces=(b"head", Extent(file, CHUNK, 2), b"tail"))
    assert list(body.chunks()) == [b"head", b"bb", b"tail"]
    assert body.read() == b"headbbtail"


def test_a_body_without_content_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="neither"):
        Body(1, bytes(32)).read()
