"""Start, idle memory, growth of the store, and how long nothing goes out after a kill -9 under load."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import ExitStack
from pathlib import Path

from bench import processes, project
from bench.machine import pragmas
from bench.processes import Failed
from bench.throughput import Bench

STARTS = 5
_GROWTH_MESSAGES = 4000
_SETTLE_SECONDS = 1.0


def middle(values: list[float]) -> float:
    """Return the median."""
    return sorted(values)[len(values) // 2]


def measure(folder: Path, rounds: int, seconds: float) -> dict[str, object]:
    """Return all figures of the part."""
    with ExitStack() as stack:
        bench = Bench(folder / "life", stack)
        found = {**starts(bench), **growth(bench)}
        kills = [kill(bench, number, seconds) for number in range(rounds)]
        return {**found, "kill_to_delivery_s": middle(kills), "kills": rounds}


def starts(bench: Bench) -> dict[str, float]:
    """Start and stop an idle engine several times: seconds to ready, of CPU until then, and memory a second later."""
    folder = bench.folder / "start"
    project.rest_to_webhook(folder, bench.sink_port)
    wall, cpu, idle = [], [], []
    for _ in range(STARTS):
        with processes.engine(folder) as process:
            wall.append(time.monotonic() - process.begun)
            cpu.append(process.use().cpu)
            time.sleep(_SETTLE_SECONDS)
            idle.append(process.use().rss_kb / 1000)
            process.stop()
    return {"start_s": middle(wall), "start_cpu_s": middle(cpu), "idle_mb": middle(idle)}


def growth(bench: Bench) -> dict[str, object]:
    """Return the bytes that the store's file grows by for a message delivered once, content included.

    `growth_bytes` is of the shipped route, which keeps a second rendering for `keep_first`; `growth_once_bytes` of the
    same without it. `content_bytes` is what of it is content as it came, was rendered and was answered.
    """
    shipped, content, settings = _grown(bench, "growth", ordered=False)
    once, _, _ = _grown(bench, "growth-once", ordered=True)
    return {
        "growth_bytes": shipped,
        "content_bytes": content,
        "growth_once_bytes": once,
        "pragmas": settings,
    }


def _grown(bench: Bench, name: str, *, ordered: bool) -> tuple[float, float, dict[str, str]]:
    folder = bench.folder / name
    port = project.rest_to_webhook(folder, bench.sink_port, ordered=ordered)
    store = folder / "var/passerelle.db"
    sizes = []
    for count in (200, _GROWTH_MESSAGES):
        with processes.engine(folder) as process:
            bench.measure(process, port, 8, 60.0, "--messages", count)
            process.stop()
        sizes.append(store.stat().st_size)
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        content = connection.execute("SELECT sum(length(bytes)) FROM bodies").fetchone()[0]
    return (sizes[1] - sizes[0]) / _GROWTH_MESSAGES, content / (200 + _GROWTH_MESSAGES), pragmas(store)


def kill(bench: Bench, number: int, seconds: float) -> float:
    """Kill the engine under load and start it again; return the seconds from the kill to the next delivery.

    Raises:
        Failed: what was acknowledged before the kill did not all arrive.
    """
    folder = bench.folder / f"kill-{number}"
    port = project.rest_to_webhook(folder, bench.sink_port)
    first = bench.next
    with (
        processes.engine(folder) as process,
        bench.loading(port, 32, seconds + 30, "--permit", "01234") as load,
    ):
        time.sleep(seconds)
        killed = time.monotonic()
        process.kill()
        said = json.loads(load.line_with("began"))
    bench.next = int(said["last"])
    with processes.engine(folder) as again:
        load = bench.loading(port, 32, 2.0)
        with load:
            said = json.loads(load.line_with("began"))
        bench.next = int(said["last"])
        _wait_for_all(bench, first, bench.next)
        later = [moment for moment in bench.arrivals.between(first, bench.next) if moment > killed + 0.2]
        again.stop()
    return min(later) - killed


def _wait_for_all(bench: Bench, first: int, last: int) -> None:
    """Wait until everything that was acknowledged arrived."""
    until = time.monotonic() + 60
    missing = -1
    while time.monotonic() < until:
        acked = bench.acks(first, last)
        arrived = bench.arrivals.between(first, last)
        missing = sum(1 for ack, end in zip(acked, arrived, strict=True) if ack and not end)
        if not missing:
            return
        time.sleep(0.1)
    raise Failed(f"{missing} acknowledged messages did not arrive after a kill -9")
