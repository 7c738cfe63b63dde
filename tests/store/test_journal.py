"""The chain: whoever changes, adds or removes a row of the past is found at the commit where it happened."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.store.sqlite.transaction import GENESIS, chain_root
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, NOW, acceptance, duty, settled


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(folder / "store.db", clock=VirtualClock(NINE), ballast_bytes=0) as store:
        yield store


async def _history(folder: Path) -> None:
    """Write six commits: three of two rows, three of one."""
    async with opened(folder) as store:
        for _ in range(3):
            first, _ = await asyncio.gather(*(store.accept(acceptance(duty("k"))) for _ in range(2)))
            if first.ready:
                await store.settle(settled(first.ready[0]))
            else:
                await store.journal.append("tick", actor="", detail="", at_ms=NOW)


@pytest.mark.parametrize(
    ("tampering", "found_at"),
    [
        ("UPDATE journal SET detail = 'dead' WHERE seq = 3", 2),
        ("UPDATE journal SET actor = 'nobody' WHERE seq = 4", 3),
        ("UPDATE journal SET action = 'refuse' WHERE seq = 1", 1),
        ("UPDATE journal SET message = 7 WHERE seq = 1", 1),
        ("UPDATE journal SET at = 5 WHERE seq = 9", 6),
        ("DELETE FROM journal WHERE seq = 5", 3),
        ("DELETE FROM journal WHERE seq = 9", 6),
        ("INSERT INTO journal (seq, action) VALUES (10, 'accept')", 7),
        ("UPDATE commits SET at = at + 1 WHERE id = 4", 4),
        ("UPDATE commits SET root = zeroblob(32) WHERE id = 5", 5),
        ("DELETE FROM commits WHERE id = 2", 3),
        ("DELETE FROM commits WHERE id = 6", 6),
        ("DELETE FROM commits", 1),
    ],
)
async def test_tampering_is_found_at_its_commit(folder: Path, tampering: str, found_at: int) -> None:
    await _history(folder)
    database = apsw.Connection(str(folder / "store.db"))
    database.execute(tampering)
    database.close()

    async with opened(folder) as store:
        assert (await store.journal.verify()).broken_at == found_at


async def test_an_untouched_history_is_whole_and_goes_on_after_a_restart(folder: Path) -> None:
    await _history(folder)

    async with opened(folder) as store:
        before = await store.journal.verify()
        await store.journal.append("tick", actor="", detail="", at_ms=NOW)
        after = await store.journal.verify()

    assert (before.commits, before.rows, before.broken_at) == (6, 9, None)
    assert (after.commits, after.rows, after.broken_at) == (7, 10, None)
    assert after.root != before.root


def test_a_root_can_be_computed_by_anybody() -> None:
    root = chain_root(GENESIS, 1, NOW, [(1, "accept", 3, None, None, "é", None)])

    text = '[1,1793628000000,[[1,"accept",3,null,null,"é",null]]]'
    assert root == hashlib.sha256(GENESIS + text.encode()).digest()
