"""What a million waiting messages cost: memory, start, and the throughput of those that do not wait."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import processes, project
from bench.throughput import Bench, Passed
from bench.wire import Numbered
from engine.clock import SystemClock
from engine.ids import IdSource
from engine.model import Body, Disposition, Hop, Message
from engine.store import open_store
from engine.store.protocol import Acceptance, NewDelivery, Rendering, Store

_LANES = 100_000
_TOGETHER = 500
_FIRST = 10_000_000


def measure(folder: Path, rounds: int, seconds: float, rows: int) -> dict[str, object]:
    """Measure an engine with an empty store and one with so many waiting, at 32 connections; medians of the rounds."""
    with ExitStack() as stack:
        bench = Bench(folder / "waiting", stack)
        full = bench.folder / "full"
        port = project.rest_to_webhook(full, bench.sink_port, away=True)
        begun = time.monotonic()
        asyncio.run(fill(full / "var/passerelle.db", rows))
        filled = time.monotonic() - begun
        empty = [_engine(bench, bench.folder / f"empty-{number}", 0, seconds) for number in range(rounds)]
        waiting = [_engine(bench, full, port, seconds) for _ in range(rounds)]
        return {"rows": rows, "fill_s": filled, "empty": _middle(empty), "waiting": _middle(waiting)}


def _engine(bench: Bench, folder: Path, port: int, seconds: float) -> dict[str, float]:
    door = port or project.rest_to_webhook(folder, bench.sink_port, away=True)
    with processes.engine(folder) as process:
        start = time.monotonic() - process.begun
        time.sleep(2.0)
        idle = process.use().rss_kb / 1000
        bench.send(door, 8, 5.0, "--messages", 300)
        passed: Passed = bench.measure(process, door, 32, seconds)
        process.stop()
    return {**asdict(passed), "start_s": start, "idle_mb": idle}


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}


async def fill(path: Path, rows: int) -> None:
    """Let messages for the clinic that is away wait, ten in a lane, as the intake stores them."""
    clock = SystemClock()
    new_id = IdSource(clock).next
    sample = Numbered("00001")
    path.parent.mkdir(parents=True, exist_ok=True)

    def acceptance(number: int) -> Acceptance:
        body = Body.of(sample.body(number, number % 10_000))
        now = clock.now_ms()
        message = Message(
            id=new_id(), listener="public", body=body, codec="json", received_ms=now, control_id=f"w{number}"
        )
        hops = (Hop("clinic-away.emr"),)
        lane = f"appointment:{number % _LANES}"
        duty = NewDelivery("appointment-to-clinic", "v1", "{partner}.emr", hops, lane, now)
        return Acceptance(
            message,
            Disposition.ACCEPTED,
            b"accepted",
            [duty],
            [Rendering("rendered", body, "application/json")],
            dedup_window_ms=7 * 86_400_000,
        )

    async def wave(store: Store, start: int) -> None:
        numbers = range(start, min(start + _TOGETHER, _FIRST + rows))
        await asyncio.gather(*(store.accept(acceptance(number)) for number in numbers))

    async with open_store(f"sqlite:{path}", clock=clock) as store:
        for start in range(_FIRST, _FIRST + rows, _TOGETHER):
            await wave(store, start)
