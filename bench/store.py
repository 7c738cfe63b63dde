"""Measure the store alone: life cycles per second by group size, growth on disk, and what waiting rows cost.

    python bench/store.py [--rows 100000] [--seconds 2] [--folder DIR] [--profile]

One life cycle = accept (831 bytes, duplicate check, stored reply, headers, one delivery, journal) and settle
(delivered at the first attempt, evidence, journal), each durable in a group commit of its own. Beside it runs the bare
path: one row inserted and updated through the same SQLite, in groups of the same size, with nothing else. Wall time on
a machine that is shared says little; the ratio and the CPU time say more.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import apsw

from engine.clock import SystemClock
from engine.ids import IdSource
from engine.model import Body, Delivery, Disposition, Hop, Message, Result, State
from engine.store import open_store
from engine.store.protocol import (
    Acceptance,
    AttemptRow,
    LaneEffect,
    NewDelivery,
    Rendering,
    Settlement,
    Store,
)

CLOCK = SystemClock()
IDS = IdSource(CLOCK)
WEEK_MS = 7 * 86_400_000
PAYLOAD = os.urandom(390).hex().encode()  # 780 bytes, with the control id and the header 831
REPLY = b"MSH|^~\\&|" + b"x" * 90
HEADERS = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "x-correlation-id": "c-0001",
}
EVIDENCE = b"MSA|AA|" + b"y" * 60


def acceptance(number: int, lane: str, *, endpoint: str = "ris.adt") -> Acceptance:
    """Return one message that leaves as it came."""
    body = Body.of(b"MSH|^~\\&|%020d|ADT^A01|" % number + PAYLOAD)
    now = CLOCK.now_ms()
    message = Message(
        id=IDS.next(),
        listener="adt",
        body=body,
        codec="hl7v2",
        received_ms=now,
        partner="hsj",
        control_id=f"{number:020d}",
        content_type="application/hl7-v2",
    )
    duty = NewDelivery("adt-ris", "v1", "ris.adt", (Hop(endpoint),), lane, now, kind="ADT^A01")
    return Acceptance(
        message,
        Disposition.ACCEPTED,
        REPLY,
        [duty],
        [Rendering("rendered", body, "application/hl7-v2")],
        headers=HEADERS,
        dedup_window_ms=WEEK_MS,
    )


def settlement(delivery: Delivery) -> Settlement:
    """Return its delivery at the first attempt."""
    attempt = AttemptRow(delivery.endpoint, 1, CLOCK.now_ms(), 3, Result.DELIVERED, "AA", "", EVIDENCE)
    return Settlement(
        delivery.sequence,
        delivery.revision,
        State.DELIVERED,
        attempts=1,
        lane=LaneEffect.FREE,
        attempt=attempt,
    )


async def life(store: Store, number: int, lane: str) -> None:
    """Bring one message from accept to delivered."""
    accepted = await store.accept(acceptance(number, lane))
    await store.settle(settlement(accepted.ready[0]))


async def rate(store: Store, together: int, seconds: float, first: int) -> tuple[int, float, list[float]]:
    """Run `together` senders side by side for a while; return how many lives, in how long, and each one's time."""
    took: list[float] = []
    begun = time.perf_counter()
    end = begun + seconds

    async def sender(which: int) -> None:
        number = first + which
        while (now := time.perf_counter()) < end:
            await life(store, number, f"lane-{which}")
            took.append(time.perf_counter() - now)
            number += together

    await asyncio.gather(*(sender(which) for which in range(together)))
    return len(took), time.perf_counter() - begun, took


def bare(folder: Path, together: int, seconds: float) -> float:
    """Return life cycles per second of the smallest program: insert and update one row each, in groups."""
    connection = apsw.Connection(str(folder / "bare.db"))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, state INTEGER, body BLOB)")
    first: int = connection.execute("SELECT COALESCE(max(id), 0) FROM t").get
    cursor, number = connection.cursor(), first
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        rows = [(number + each, 0, PAYLOAD) for each in range(1, together + 1)]
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        cursor.execute("COMMIT")
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany("UPDATE t SET state = 10 WHERE id = ?", [(row[0],) for row in rows])
        cursor.execute("COMMIT")
        number += together
    took = time.perf_counter() - begun
    connection.close()
    return (number - first) / took


def size(folder: Path) -> int:
    """Return the bytes of the database without its WAL."""
    return (folder / "bench.db").stat().st_size


async def fill(store: Store, count: int, first: int, *, lanes: int) -> list[Delivery]:
    """Let messages wait, over so many lanes; return the heads."""
    heads: list[Delivery] = []
    for start in range(first, first + count, 500):
        wave = (
            store.accept(acceptance(number, f"waiting-{number % lanes}", endpoint="absent.emr"))
            for number in range(start, min(start + 500, first + count))
        )
        heads += [delivery for accepted in await asyncio.gather(*wave) for delivery in accepted.ready]
    return heads


async def timed_ms(store: Store, heads: Sequence[Delivery]) -> str:
    """Return how long reading takes beside what waits."""
    now = CLOCK.now_ms()

    async def median(what: str, times: int = 20) -> float:
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            if what == "due":
                await store.due("absent.emr", now, 100)
            elif what == "outlook":
                await store.outlook()
            elif what == "overtaking":
                await store.overtaking(heads[0])
            else:
                await store.tally()
            took.append((time.perf_counter() - begun) * 1000)
        return statistics.median(took)

    words = ("due", "outlook", "overtaking", "tally")
    return "  ".join([f"{word} {await median(word):.2f} ms" for word in words])


async def measure(rows: int, seconds: float, folder: Path) -> None:
    """Print all figures."""
    number = 1
    async with open_store(f"sqlite:{folder}/bench.db", clock=CLOCK) as store:
        health = await store.health()
        print(f"commit probe {health.commit_ms:.3f} ms  {dict(health.pragmas)}")
        empty = {}
        for together in (1, 10, 32, 100):
            plain = bare(folder, together, seconds / 4)
            before, used = size(folder), time.process_time()
            count, took, each = await rate(store, together, seconds, number)
            used = (time.process_time() - used) / max(1, count) * 1e6
            number += (count + together) * 2
            empty[together] = count / took
            growth = (size(folder) - before) / max(1, count)
            p99 = statistics.quantiles(each, n=100)[98] * 1000
            print(
                f"{together:4} together: {count / took:7.0f} lives/s, {count / took / plain:.2f} of the bare path "
                f"({plain:.0f}); CPU {used:.0f} us, p50 {statistics.median(each) * 1000:.2f} ms, p99 {p99:.2f} ms, "
                f"growth {growth:.0f} B"
            )
        begun = time.perf_counter()
        heads = await fill(store, rows, number, lanes=max(1, rows // 10))
        took = time.perf_counter() - begun
        number += rows
        print(
            f"{rows} wait, {len(heads)} heads: accepted {rows / took:.0f}/s; {await timed_ms(store, heads)}"
        )
        for together in (32,):
            count, took, _ = await rate(store, together, seconds, number)
            number += (count + together) * 2
            share = count / took / empty[together]
            print(
                f"{together:4} together beside them: {count / took:.0f} lives/s, {share:.2f} of the empty store"
            )
    begun = time.perf_counter()
    async with open_store(f"sqlite:{folder}/bench.db", clock=CLOCK) as store:
        print(f"open again {time.perf_counter() - begun:.2f} s")
        verified = await store.journal.verify()
        assert verified.broken_at is None and (await store.tally()).conserved
        print(f"journal {verified.rows} rows in {verified.commits} commits: whole; counts conserved")


async def profiled(seconds: float, folder: Path) -> None:
    """Print where the time goes at 32 senders."""
    async with open_store(f"sqlite:{folder}/bench.db", clock=CLOCK) as store:
        profile = cProfile.Profile()
        profile.enable()
        await rate(store, 32, seconds, 1)
        profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(28)


def main() -> None:
    """Read the command line and measure in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder)))
        if given.profile:
            asyncio.run(profiled(given.seconds, folder))
        else:
            asyncio.run(measure(given.rows, given.seconds, folder))


if __name__ == "__main__":
    main()
