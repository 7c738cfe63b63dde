"""An instance on its way in, in memory or in a file that is hashed while it grows: the same bytes always."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from channels._dicom.hashing import Following
from channels._dicom.receiving import KEPT_OF_TOO_LARGE, Spool, file_meta, prepare
from engine.model import INLINE_LIMIT, Body

HEAD = b"head"
LARGE = 9 * 2**20


def spooled(path: Path, size: int, piece: int) -> tuple[bytes, Body]:
    """Return what was written in pieces, and the body that became of it."""
    content = os.urandom(size)
    spool = Spool(path, HEAD)
    for at in range(0, size, piece):
        spool.write(memoryview(content)[at : at + piece])
    return HEAD + content, spool.finish()


@pytest.mark.parametrize("piece", [1000, 131_066, LARGE])
@pytest.mark.parametrize("size", [0, INLINE_LIMIT - len(HEAD), INLINE_LIMIT, 4 * 2**20, LARGE])
def test_what_comes_is_kept_and_hashed(tmp_path: Path, size: int, piece: int) -> None:
    content, body = spooled(tmp_path / "x.part", size, piece)
    assert (body.size, body.sha256) == (len(content), hashlib.sha256(content).digest())
    kept = body.data if body.path is None else body.path.read_bytes()
    assert kept == content
    assert (body.path is None) == (len(content) <= INLINE_LIMIT)


def test_what_is_kept_is_a_copy_of_what_came(tmp_path: Path) -> None:
    buffer = bytearray(b"one piece")
    spool = Spool(tmp_path / "x.part", HEAD)
    spool.write(memoryview(buffer))
    buffer[:] = b"the other"
    assert spool.finish().data == b"headone piece"


def test_what_is_given_up_leaves_neither_file_nor_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    spool = Spool(tmp_path / "x.part", HEAD)
    for _ in range(6):
        spool.write(memoryview(bytes(2**20)))
    spool.discard()
    spool.discard()
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_the_beginning_of_what_is_too_large_is_kept(tmp_path: Path) -> None:
    content = os.urandom(2 * INLINE_LIMIT)
    for size in (100, 2 * INLINE_LIMIT):
        spool = Spool(tmp_path / "x.part", HEAD)
        spool.write(content[:size])
        assert spool.beginning().data == (HEAD + content[:size])[:KEPT_OF_TOO_LARGE]
        spool.discard()


def test_a_file_that_cannot_be_made_is_an_error_of_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "missing" / "x.part", HEAD)
    with pytest.raises(FileNotFoundError):
        spool.write(memoryview(bytes(INLINE_LIMIT + 1)))
    spool.discard()


def test_a_file_that_is_shorter_than_what_was_written_has_no_digest(tmp_path: Path) -> None:
    with (tmp_path / "x.part").open("w+b") as file:
        file.write(b"short")
        file.flush()
        following = Following(file.fileno(), hashlib.sha256(), 0)
        following.reached(100)
        with pytest.raises(OSError, match="shorter"):
            following.finish()


def test_a_disk_that_cannot_be_read_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr("os.preadv", failing)
    with (tmp_path / "x.part").open("w+b") as file:
        following = Following(file.fileno(), hashlib.sha256(), 0)
        following.reached(5)
        with pytest.raises(OSError, match="input/output"):
            following.finish()


def test_file_meta_pads_uids_of_odd_length() -> None:
    meta = file_meta("1.2.3", "1.2.34", "1.2.840.10008.1.2.1")
    assert meta[128:132] == b"DICM"
    assert b"UI\x06\x001.2.3\x00" in meta and b"UI\x06\x001.2.34" in meta


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "images"
    prepare(folder)
    (folder / "x.part").write_bytes(b"half an instance")
    prepare(folder)
    assert list(folder.iterdir()) == []
