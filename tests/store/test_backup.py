"""A copy of a store that goes on working: one moment of it, whole, with its body files, and it knows that it is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import Conflict, StoreUnavailable
from engine.store.protocol import Query
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, NOW, acceptance, duty, message, settled


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(folder / "store.db", clock=VirtualClock(NINE), ballast_bytes=0) as store:
        yield store


async def test_a_backup_during_work_is_one_moment_of_it(folder: Path) -> None:
    async with opened(folder) as store:
        for _ in range(20):
            await asyncio.gather(*(store.accept(acceptance(duty("k"))) for _ in range(50)))
        before = {row.id for row in await store.messages(Query(limit=10_000))}
        done = asyncio.Event()
        during = asyncio.ensure_future(_work(store, done))

        await store.backup(folder / "copy")
        done.set()
        written = await during

    assert written > 0
    async with opened(folder / "copy") as copy:
        stored = {row.id for row in await copy.messages(Query(limit=10_000))}
        tally = await copy.tally()
        assert before <= stored
        assert tally.conserved and tally.created == len(stored)
        assert (await copy.journal.verify()).broken_at is None


async def test_a_backup_holds_the_body_files_of_its_moment(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = await store.accept(acceptance(of=message(body=b"x" * 200_000)))
        await store.backup(folder / "copy")

    async with opened(folder / "copy") as copy:
        body = await copy.body(accepted.message, "raw")
        assert body is not None and body.path is not None
        assert body.path.is_relative_to(folder / "copy")
        assert body.read() == b"x" * 200_000


async def test_files_that_are_purged_during_a_backup_stay_until_its_end(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = await store.accept(acceptance(of=message(body=b"x" * 200_000)))
        backup = asyncio.ensure_future(store.backup(folder / "copy"))
        await asyncio.sleep(0)

        await store.purge(NOW + 1, 10)
        await backup

        assert [path for path in (folder / "store.db.bodies").rglob("*") if path.is_file()] == []
    async with opened(folder / "copy") as copy:
        assert await copy.journal.last() >= 1
        assert (await copy.message(accepted.message_id)).sequence == accepted.message


async def test_a_copy_says_that_it_was_restored_once(folder: Path) -> None:
    async with opened(folder) as store:
        await store.accept(acceptance(duty("k")))
        await store.backup(folder / "copy")

    async with opened(folder / "copy") as copy:
        record = await copy.records.get("store", "restored")
        assert record is not None and record.value == str(NOW)
        assert [row.action for row in await copy.journal.rows()] == ["accept", "restore"]
    async with opened(folder / "copy") as again:
        assert [row.action for row in await again.journal.rows()] == ["accept", "restore"]
    async with opened(folder) as original:
        assert await original.records.get("store", "restored") is None


async def test_a_backup_goes_into_a_new_folder(folder: Path) -> None:
    (folder / "copy").mkdir()

    async with opened(folder) as store:
        with pytest.raises(Conflict):
            await store.backup(folder / "copy")


async def test_a_backup_does_not_stop_the_loop(folder: Path) -> None:
    async with opened(folder) as store:
        for _ in range(10):
            await asyncio.gather(
                *(store.accept(acceptance(of=message(body=bytes(20_000)))) for _ in range(50))
            )
        turns = 0
        backup = asyncio.ensure_future(store.backup(folder / "copy"))

        while not backup.done():
            await asyncio.sleep(0)
            turns += 1

        assert turns > 20


async def _work(store: SqliteStore, done: asyncio.Event) -> int:
    count = 0
    while not done.is_set():
        (delivery,) = (await store.accept(acceptance(duty()))).ready
        await store.settle(settled(delivery))
        count += 1
    return count


async def test_a_backup_that_was_cut_short_has_no_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*given: object) -> None:
        raise OSError("the power went")

    monkeypatch.setattr("engine.store.sqlite.backup._copy_files", cut)
    async with opened(folder) as store:
        await store.accept(acceptance(of=message(body=b"x" * 200_000)))
        with pytest.raises(StoreUnavailable):
            await store.backup(folder / "copy")

    assert [path.name for path in (folder / "copy").iterdir() if path.is_file()] == ["store.db.new"]
