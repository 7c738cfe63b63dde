"""kill -9 in the middle of commits: everything that was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.model import State
from engine.store.protocol import Query
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE

ROOT = Path(__file__).parents[2]

CHILD = """
import asyncio, sys
from pathlib import Path
from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, acceptance, duty, message, settled

async def life(store, number):
    large = number % 17 == 0
    given = message(f"c{number}", bytes(200_000) if large else b"{}")
    accepted = await store.accept(acceptance(duty(f"k{sys.argv[2]}-{number % 5}"), of=given))
    print("accepted", accepted.message_id, flush=True)
    for delivery in accepted.ready:
        await serve(store, delivery)

async def serve(store, delivery):
    while delivery is not None:
        result = await store.settle(settled(delivery))
        print("settled", delivery.sequence, flush=True)
        delivery = result.next

async def main():
    path, first, slow = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    async with open_sqlite(path, clock=VirtualClock(NINE), ballast_bytes=0, fast_commit_ms=slow) as store:
        number = first
        while True:
            await asyncio.gather(*(life(store, number + each) for each in range(8)))
            number += 8

asyncio.run(main())
"""


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(path, clock=VirtualClock(NINE), ballast_bytes=0) as store:
        yield store


def killed_after(path: Path, lines: int, first: int, fast_commit_ms: float) -> list[list[str]]:
    """Run the child until it has printed so many lines, kill it, and return all lines that came out whole."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(first), str(fast_commit_ms)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        seen += child.stdout.readlines()
        child.wait()
    return [line.split() for line in seen if line.endswith("\n")]


@pytest.mark.parametrize("fast_commit_ms", [0, 1e9], ids=["commit in a thread", "commit on the loop"])
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, fast_commit_ms: float) -> None:
    path = tmp_path / "store.db"
    accepted: set[str] = set()
    settled: set[int] = set()

    for round_, lines in enumerate((5, 23, 64, 120)):
        for word, value in killed_after(path, lines, round_ * 100_000, fast_commit_ms):
            if word == "accepted":
                accepted.add(value)
            else:
                settled.add(int(value))

        async with opened(path) as store:
            rows = await store.deliveries(Query(limit=100_000))
            states = {row.delivery.sequence: row.delivery.state for row in rows}
            tally = await store.tally()
            assert accepted <= {row.id for row in await store.messages(Query(limit=100_000))}
            assert all(states[sequence] is State.DELIVERED for sequence in settled)
            assert tally.conserved and tally.created == len(rows)
            assert (await store.journal.verify()).broken_at is None
            for row in await store.messages(Query(limit=100_000)):
                assert await store.body(row.sequence, "raw") is not None

    assert len(accepted) > 50 and len(settled) > 50
