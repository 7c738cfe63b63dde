"""The contract on SQLite: as it is, with slow commits, with failing ones, and with answers that are lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.store.protocol import Store
from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.contract import StoreContract
from tests.store.faulty import Delayed, Failing, Losing
from tests.store.insistent import Insistent
from tests.store.making import NINE


@asynccontextmanager
async def sqlite(folder: Path, *, fast_commit_ms: float = 1e9) -> AsyncIterator[Store]:
    """Open a small store that commits on the loop, or in its thread when `fast_commit_ms` is 0."""
    clock = VirtualClock(NINE)
    async with open_sqlite(
        folder / "store.db", clock=clock, ballast_bytes=0, fast_commit_ms=fast_commit_ms
    ) as store:
        yield store


class TestSqlite(StoreContract):
    """As it is."""

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Store]:
        async with sqlite(folder) as store:
            yield store


class TestSlowDisk(StoreContract):
    """COMMIT in a thread, and every call begins and answers some loop turns late."""

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Store]:
        async with sqlite(folder, fast_commit_ms=0) as store:
            yield Delayed(store)


class TestFailingCommits(StoreContract):
    """Every other write is rolled back, and made again by its caller."""

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Store]:
        async with sqlite(folder) as store:
            yield Insistent(Failing(store))


class TestLostAnswers(StoreContract):
    """Every other write is committed without an answer, and looked up by its caller."""

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Store]:
        async with sqlite(folder) as store:
            yield Insistent(Losing(store))
