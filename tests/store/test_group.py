"""Group commit: one fsync for everything that is ready together, a bad operation fails alone, nothing answers early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from engine.errors import Conflict, StoreUnavailable
from engine.model import State
from engine.store.protocol import Query, Settlement
from engine.store.sqlite import group
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.store.sqlite.transaction import Transaction
from engine.testing.virtual_clock import VirtualClock
from tests.store.broken_disk import broken_disk
from tests.store.making import NINE, NOW, acceptance, duty, message, settled

BOTH = pytest.mark.parametrize("fast_commit_ms", [0, 1e9], ids=["in its thread", "on the loop"])


@asynccontextmanager
async def opened(
    folder: Path, vfs: str | None = None, fast_commit_ms: float = 1e9
) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(
        folder / "store.db",
        clock=VirtualClock(NINE),
        ballast_bytes=0,
        vfs=vfs,
        fast_commit_ms=fast_commit_ms,
    ) as store:
        yield store


@BOTH
async def test_what_is_ready_together_shares_one_commit_and_one_fsync(
    folder: Path, fast_commit_ms: float
) -> None:
    with broken_disk() as disk:
        async with opened(folder, disk.vfs_name, fast_commit_ms) as store:
            await store.accept(acceptance(duty("k")))
            before = disk.syncs

            await asyncio.gather(*(store.accept(acceptance(duty("k"))) for _ in range(40)))

            assert disk.syncs == before + 1
            assert (await store.journal.verify()).commits == 2


async def test_an_answer_comes_after_the_fsync(folder: Path) -> None:
    with broken_disk() as disk:
        async with opened(folder, disk.vfs_name) as store:
            await store.accept(acceptance(duty("k")))
            for _ in range(5):
                before = disk.syncs
                await store.accept(acceptance(duty("k")))
                assert disk.syncs == before + 1


async def test_a_group_has_a_limit_and_the_rest_follows(folder: Path) -> None:
    async with opened(folder) as store:
        count = group.GROUP_LIMIT + 5

        await asyncio.gather(*(store.accept(acceptance()) for _ in range(count)))

        verified = await store.journal.verify()
        assert (verified.commits, verified.rows) == (2, count)


@BOTH
async def test_bad_operations_fail_alone(folder: Path, fast_commit_ms: float) -> None:
    async with opened(folder, fast_commit_ms=fast_commit_ms) as store:
        known = message("known")
        (first,) = (await store.accept(acceptance(duty("k"), of=known))).ready

        results = await asyncio.gather(
            store.accept(acceptance(duty("a"))),
            store.accept(acceptance(duty("a"), of=known, window=0)),
            store.settle(settled(first)),
            store.settle(Settlement(first.sequence, 99, State.DELIVERED)),
            store.accept(acceptance(duty("b"))),
            store.records.put("alert", "x", "{}", at_ms=NOW, revision=7),
            return_exceptions=True,
        )

        assert [isinstance(result, Conflict) for result in results] == [False, True, False, True, False, True]
        tally = await store.tally()
        assert (tally.created, tally.states[State.DELIVERED], tally.conserved) == (3, 1, True)
        assert (await store.journal.verify()).broken_at is None


async def test_a_bug_in_one_operation_is_its_callers_alone(folder: Path) -> None:
    async with opened(folder) as store:

        def buggy(tx: Transaction) -> None:
            tx.cursor.execute("INSERT INTO meta (name, value) VALUES ('half', 1)")
            tx.note("half")
            raise ZeroDivisionError("a bug, as this test wishes")

        bad, good = await asyncio.gather(
            store._core.group.run(buggy), store.accept(acceptance(duty("k"))), return_exceptions=True
        )

        assert isinstance(bad, ZeroDivisionError)
        assert not isinstance(good, BaseException)
        assert store._core.reader.execute("SELECT * FROM meta WHERE name = 'half'").fetchall() == []
        assert [row.action for row in await store.journal.rows()] == ["accept"]


async def test_half_a_surrogate_pair_stops_nobody(folder: Path) -> None:
    async with opened(folder) as store:
        (first,) = (await store.accept(acceptance(duty("k")))).ready

        results = await asyncio.gather(
            store.journal.append("note", actor="\ud800", detail="caf\u00e9 \ud800", at_ms=NOW),
            store.settle(settled(first, State.EXPIRED, reason="late \udfff")),
            store.accept(acceptance(duty("k"), of=message("\ud800"))),
            store.accept(acceptance(duty("k"))),
            return_exceptions=True,
        )

        assert [isinstance(result, BaseException) for result in results] == [False, False, True, False]
        assert {row.detail for row in await store.journal.rows()} == {"", "café ?", "expired: late ?"}
        assert (await store.journal.verify()).broken_at is None


async def test_a_caller_that_went_away_before_its_group_writes_nothing(folder: Path) -> None:
    async with opened(folder) as store:
        waiting = asyncio.ensure_future(store.accept(acceptance(duty("k"))))
        await asyncio.sleep(0)
        waiting.cancel()

        await store.accept(acceptance(duty("k")))

        assert (await store.tally()).created == 1


@BOTH
async def test_closing_finishes_what_waits(folder: Path, fast_commit_ms: float) -> None:
    async with opened(folder, fast_commit_ms=fast_commit_ms) as store:
        waiting = [asyncio.ensure_future(store.accept(acceptance(duty("k")))) for _ in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    with pytest.raises(StoreUnavailable):
        await store.accept(acceptance())
    async with opened(folder) as again:
        assert (await again.tally()).created == 3


async def test_too_many_that_wait_are_turned_away_but_never_a_settlement(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "WAITING_LIMIT", 2)
    async with opened(folder) as store:
        (first,) = (await store.accept(acceptance(duty("k")))).ready

        results = await asyncio.gather(
            *(store.accept(acceptance()) for _ in range(4)),
            store.settle(settled(first)),
            return_exceptions=True,
        )

        assert [isinstance(result, StoreUnavailable) for result in results] == [
            False,
            False,
            True,
            True,
            False,
        ]


async def test_reading_never_waits_for_the_writer(folder: Path) -> None:
    async with opened(folder) as store:
        await store.accept(acceptance(duty("k")))
        store._core.tx.begin(NOW)
        try:
            assert len(await store.messages(Query())) == 1
            assert len(await store.due("clinic.emr", NOW, 10)) == 1
            assert (await store.tally()).created == 1
        finally:
            store._core.tx.cursor.execute("ROLLBACK")
            store._core.tx.abandon()


@BOTH
async def test_the_wal_stays_short_under_load(folder: Path, fast_commit_ms: float) -> None:
    async with opened(folder, fast_commit_ms=fast_commit_ms) as store:
        for _ in range(12):
            await asyncio.gather(
                *(store.accept(acceptance(of=message(body=bytes(20_000)))) for _ in range(50))
            )

        assert _size(folder / "store.db-wal") < 8 * 1024 * 1024
        assert _size(folder / "store.db") > 8 * 1024 * 1024


async def test_the_second_of_a_lane_can_come_and_be_freed_in_one_group(folder: Path) -> None:
    async with opened(folder) as store:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        given = acceptance(duty("k"))

        accepted, result = await asyncio.gather(store.accept(given), store.settle(settled(first)))

        assert list(accepted.ready) == []
        assert result.next is not None and result.next.message == accepted.message
        assert result.next.body is not None and result.next.body.data == b"for " + given.message.id.encode()


async def test_the_writer_may_undo_what_it_first_named(folder: Path) -> None:
    async with opened(folder) as store:

        def names(tx: Transaction, *, fails: bool) -> None:
            tx.names.id(tx.cursor, "route", "new")
            tx.names.bucket_id(tx.cursor, 0, "payload", NOW)
            tx.note("named")
            if fails:
                raise Conflict("as this test wishes")

        with pytest.raises(Conflict):
            await store._core.group.run(partial(names, fails=True))
        before = list(await store.roster.names("route"))
        await store._core.group.run(partial(names, fails=False))

        assert (before, list(await store.roster.names("route"))) == ([], ["new"])


def _size(path: Path) -> int:
    return path.stat().st_size
