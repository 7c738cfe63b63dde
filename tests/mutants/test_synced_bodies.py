"""A large body is on the disk before the commit that names it: file first, then its folder (G1)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, acceptance, message


async def test_a_large_body_and_its_folder_are_synced_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        told = os.fstat(descriptor)
        synced.append(("folder" if stat.S_ISDIR(told.st_mode) else "file", told.st_ino))
        real(descriptor)

    async with open_sqlite(tmp_path / "store.db", clock=VirtualClock(NINE), ballast_bytes=0) as store:
        monkeypatch.setattr(os, "fsync", fsync)
        accepted = await store.accept(acceptance(of=message(body=bytes(200_000))))
        monkeypatch.undo()
        body = await store.body(accepted.message, "raw")

    assert body is not None and body.path is not None
    file = ("file", body.path.stat().st_ino)
    folder = ("folder", body.path.parent.stat().st_ino)
    assert file in synced
    assert folder in synced[synced.index(file) :]
