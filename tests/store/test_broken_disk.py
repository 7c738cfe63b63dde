"""A disk that fails: what is told is true, nothing half-done stays, and a failed fsync is never tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from engine.errors import (
    CommitUnknown,
    StoreCorrupt,
    StoreFailed,
    StoreUnavailable,
)
from engine.model import Disposition, State
from engine.store.protocol import Query
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.broken_disk import BALLAST, BrokenDisk, broken_disk
from tests.store.making import EMR, NINE, NOW, acceptance, duty, message, settled


@pytest.fixture
def disk() -> Iterator[BrokenDisk]:
    with broken_disk() as disk:
        yield disk


@asynccontextmanager
async def opened(
    folder: Path,
    disk: BrokenDisk | None = None,
    *,
    clock: VirtualClock | None = None,
    fast_commit_ms: float = 1e9,
) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(
        folder / "store.db",
        clock=clock or VirtualClock(NINE),
        ballast_bytes=BALLAST,
        vfs=disk.vfs_name if disk else None,
        fast_commit_ms=fast_commit_ms,
    ) as store:
        yield store


# --------------------------------------------------------------------------- write and fsync errors


@pytest.mark.parametrize("fast_commit_ms", [0, 1e9], ids=["in its thread", "on the loop"])
async def test_a_failed_fsync_ends_all_writing(folder: Path, disk: BrokenDisk, fast_commit_ms: float) -> None:
    async with opened(folder, disk, fast_commit_ms=fast_commit_ms) as store:
        await store.accept(acceptance(duty("k")))
        disk.fail_sync = 0
        results = await asyncio.gather(
            *(store.accept(acceptance(duty("k"))) for _ in range(3)), return_exceptions=True
        )
        disk.fail_sync = None
        syncs = disk.syncs

        assert [type(result) for result in results] == [StoreFailed] * 3
        with pytest.raises(StoreFailed):
            await store.accept(acceptance(duty("k")))
        assert disk.syncs == syncs
        assert not (await store.health()).writable


@pytest.mark.parametrize("nth", range(6))
async def test_a_failed_write_ends_all_writing_and_loses_nothing_acknowledged(
    folder: Path, disk: BrokenDisk, nth: int
) -> None:
    acknowledged = []
    async with opened(folder, disk) as store:
        acknowledged.append((await store.accept(acceptance(duty("k")))).message_id)
        disk.fail_write = nth
        with pytest.raises(StoreFailed):
            for _ in range(6):
                acknowledged.append((await store.accept(acceptance(duty("k")))).message_id)
        disk.fail_write = None

    async with opened(folder) as again:
        stored = {row.id for row in await again.messages(Query(limit=100))}
        assert set(acknowledged) <= stored
        assert (await again.tally()).conserved
        assert (await again.journal.verify()).broken_at is None


async def test_a_failing_disk_can_still_be_read(folder: Path, disk: BrokenDisk) -> None:
    async with opened(folder, disk) as store:
        accepted = await store.accept(acceptance(duty("k")))
        disk.fail_sync = 0
        with pytest.raises(StoreFailed):
            await store.settle(settled(accepted.ready[0]))

        assert len(await store.due(EMR, NOW, 10)) == 1
        assert await store.body(accepted.message, "raw") is not None


async def test_a_failed_checkpoint_ends_all_writing(folder: Path, disk: BrokenDisk) -> None:
    async with opened(folder, disk) as store:
        sizes = [
            await store.accept(acceptance(duty("k"), of=message(body=bytes(100_000)))) for _ in range(39)
        ]
        disk.fail_sync = 3
        with pytest.raises(StoreFailed):
            for _ in range(10):
                sizes.append(await store.accept(acceptance(duty("k"), of=message(body=bytes(100_000)))))
        disk.fail_sync = None

    async with opened(folder) as again:
        assert len(await again.messages(Query(limit=100))) >= len(sizes)


# --------------------------------------------------------------------------- a full disk


async def test_a_full_disk_turns_messages_away_and_lets_deliveries_be_settled(
    folder: Path, disk: BrokenDisk
) -> None:
    async with opened(folder, disk) as store:
        ready = [(await store.accept(acceptance(duty(f"k{number}")))).ready[0] for number in range(5)]
        disk.room = 0
        ballast = folder / "store.db.ballast"
        assert ballast.stat().st_size == BALLAST
        disk.ballast = ballast
        results = await asyncio.gather(
            store.accept(acceptance(duty("new"))),
            *(store.settle(settled(delivery)) for delivery in ready),
            return_exceptions=True,
        )

        assert isinstance(results[0], StoreUnavailable)
        assert not any(isinstance(result, BaseException) for result in results[1:])
        assert not ballast.exists()
        health = await store.health()
        assert (health.writable, health.detail) == (False, "the disk is full")
        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(duty("new")))
        assert (await store.tally()).states[State.DELIVERED] == 5


async def test_room_again_brings_the_ballast_and_the_messages_back(folder: Path, disk: BrokenDisk) -> None:
    clock = VirtualClock(NINE)
    async with opened(folder, disk, clock=clock) as store:
        disk.room = 0
        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(duty("k")))
        disk.room = None
        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(duty("k")))

        clock.advance_to(NOW + 1_001)

        assert (await store.accept(acceptance(duty("k")))).disposition is Disposition.ACCEPTED
        assert (folder / "store.db.ballast").exists()
        assert (await store.health()).writable


async def test_a_disk_without_any_room_fails_settlements_softly(folder: Path, disk: BrokenDisk) -> None:
    async with opened(folder, disk) as store:
        (delivery,) = (await store.accept(acceptance(duty("k")))).ready
        disk.room = 0

        with pytest.raises(StoreUnavailable):
            await store.settle(settled(delivery))

        disk.room = None
        await store.settle(settled(delivery))
        assert (await store.tally()).states[State.DELIVERED] == 1


async def test_a_large_body_on_a_full_disk_is_turned_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(folder) as store:

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("engine.store.sqlite.files.os.fsync", full)
        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(of=message(body=bytes(200_000))))

        assert [path for path in (folder / "store.db.bodies").rglob("*") if path.is_file()] == []


# --------------------------------------------------------------------------- a commit that nobody can vouch for


@pytest.mark.parametrize("fast_commit_ms", [0, 1e9], ids=["in its thread", "on the loop"])
async def test_a_commit_that_arrived_although_it_raised_is_a_success(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fast_commit_ms: float
) -> None:
    async with opened(folder, fast_commit_ms=fast_commit_ms) as store:
        _interrupt_commit(store, monkeypatch, arrives=True)

        accepted = await store.accept(acceptance(duty("k")))

        assert (await store.message(accepted.message_id)).sequence == accepted.message


async def test_a_commit_that_raised_and_did_not_arrive_is_rolled_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(folder) as store:
        _interrupt_commit(store, monkeypatch, arrives=False)

        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(duty("k")))

        assert (await store.tally()).created == 0
        accepted = await store.accept(acceptance(duty("k")))
        assert accepted.message == 1


async def test_a_commit_that_nobody_can_look_up_is_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(folder) as store:
        _interrupt_commit(store, monkeypatch, arrives=True)

        def blind(commit: int) -> bool:
            raise StoreUnavailable("busy, as this test wishes")

        monkeypatch.setattr(store._core.group, "_is_committed", blind)
        given = acceptance(duty("k"))
        with pytest.raises(CommitUnknown):
            await store.accept(given)

        assert (await store.message(given.message.id)).sequence == 1
        assert (await store.accept(acceptance(duty("k")))).message == 2
        assert (await store.journal.verify()).broken_at is None


# --------------------------------------------------------------------------- damage


async def test_damage_stops_writing_and_leaves_reading(folder: Path, disk: BrokenDisk) -> None:
    async with opened(folder, disk) as store:
        accepted = await store.accept(acceptance(duty("k")))
        disk.error, disk.fail_write = apsw.CorruptError, 0

        with pytest.raises(StoreCorrupt):
            await store.settle(settled(accepted.ready[0]))

        disk.fail_write = None
        with pytest.raises(StoreCorrupt):
            await store.accept(acceptance(duty("k")))
        assert len(await store.due(EMR, NOW, 10)) == 1


async def test_a_damaged_database_is_not_opened(folder: Path) -> None:
    async with opened(folder) as store:
        for _ in range(50):
            await store.accept(acceptance(duty("k")))
    path = folder / "store.db"
    pages = bytearray(path.read_bytes())
    for page in range(4096, len(pages), 4096):
        pages[page : page + 64] = b"\xff" * 64
    path.write_bytes(pages)

    with pytest.raises(StoreCorrupt):
        async with opened(folder):
            pass


async def test_a_damaged_body_is_told_from_a_purged_one(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = await store.accept(acceptance(duty("k"), duty("k")))
        _spoil(folder / "store.db", "UPDATE bodies SET bytes = zeroblob(9) WHERE bytes IS NOT NULL")

        for role in ("raw", "reply", "headers", "rendered"):
            with pytest.raises(StoreCorrupt):
                await store.body(accepted.message, role)
    async with opened(folder) as store:  # which has nothing at hand any more
        result = await store.settle(settled(accepted.ready[0]))

        assert result.next is not None and result.next.body is None
        ended = await store.settle(settled(result.next, State.DEAD, reason="corrupt"))
        assert ended.revision == result.next.revision + 1


async def test_a_copy_of_a_message_whose_reply_is_damaged_gets_the_one_made_for_it(folder: Path) -> None:
    async with opened(folder) as store:
        await store.accept(acceptance(of=message("same"), reply=b"first"))
        _spoil(folder / "store.db", "UPDATE bodies SET bytes = zeroblob(9) WHERE bytes IS NOT NULL")

        copy = await store.accept(acceptance(of=message("same"), reply=b"second"))

        assert (copy.disposition, copy.reply) == (Disposition.DUPLICATE, b"second")


async def test_a_damaged_or_missing_body_file_is_told(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = [await store.accept(acceptance(of=message(body=bytes([n]) * 200_000))) for n in range(2)]
        bodies = [await store.body(each.message, "raw") for each in accepted]
        first, second = (body.path for body in bodies if body is not None and body.path is not None)
        first.write_bytes(b"x" * 200_000)
        second.unlink()

        for each in accepted:
            with pytest.raises(StoreCorrupt):
                await store.body(each.message, "raw")


# --------------------------------------------------------------------------- at the start


async def test_a_disk_that_refuses_the_probe_holds_no_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("engine.store.sqlite.disk.os.fdatasync", refuse)

    with pytest.raises(StoreFailed, match="Read-only"):
        async with opened(folder):
            pass


def _interrupt_commit(store: SqliteStore, monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> None:
    """Let the next COMMIT raise what nobody can interpret, after it arrived or after it was rolled back."""
    group = store._core.group
    commit = group._commit

    def interrupted() -> apsw.Error | None:
        monkeypatch.setattr(group, "_commit", commit)
        if arrives:
            commit()
        else:
            store._core.tx.connection.execute("ROLLBACK")
        return apsw.InterruptError("interrupted, as this test wishes")

    monkeypatch.setattr(group, "_commit", interrupted)


def _spoil(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    try:
        connection.execute(statement)
    finally:
        connection.close()
