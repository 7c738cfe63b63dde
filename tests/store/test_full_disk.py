"""A real disk that is really full: a small file system, filled to the last block and freed again."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.model import Delivery, Disposition, State
from engine.store.protocol import Query
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, NOW, acceptance, duty, message, settled

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root mounts a small disk; test_broken_disk is for all"
)

BALLAST = 1024 * 1024
DISK = "size=6m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@asynccontextmanager
async def opened(folder: Path, clock: VirtualClock) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(folder / "store.db", clock=clock, ballast_bytes=BALLAST) as store:
        yield store


async def test_a_disk_that_fills_and_is_freed_loses_nothing(small_disk: Path) -> None:
    clock = VirtualClock(NINE)
    ready: list[Delivery] = []
    async with opened(small_disk, clock) as store:
        with pytest.raises(StoreUnavailable):
            while True:
                accepted = await store.accept(acceptance(duty(), of=message(body=bytes(20_000))))
                ready += accepted.ready

        assert not (small_disk / "store.db.ballast").exists()
        assert not (await store.health()).writable
        await asyncio.gather(*(store.settle(settled(delivery)) for delivery in ready))
        with pytest.raises(StoreUnavailable):
            await store.accept(acceptance(duty(), of=message(body=bytes(20_000))))

        assert await store.purge(NOW + 1, 1000) == len(ready)
        clock.advance_to(NOW + 2_000)
        again = await store.accept(acceptance(duty(), of=message(body=bytes(20_000))))

        assert again.disposition is Disposition.ACCEPTED
        assert (await store.health()).writable
        tally = await store.tally()
        assert (tally.conserved, tally.states[State.DELIVERED]) == (True, len(ready))
        assert (await store.journal.verify()).broken_at is None

    async with opened(small_disk, clock) as reopened:
        stored = {row.sequence for row in await reopened.messages(Query(limit=1000))}
        assert {delivery.message for delivery in ready} <= stored


async def test_a_large_body_that_does_not_fit_leaves_no_half_file(small_disk: Path) -> None:
    async with opened(small_disk, VirtualClock(NINE)) as store:
        with pytest.raises(StoreUnavailable):
            for _ in range(100):
                await store.accept(acceptance(of=message(body=os.urandom(500_000))))

        count = len(await store.messages(Query(limit=1000)))
        assert len(_files(small_disk / "store.db.bodies")) == count > 0


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
