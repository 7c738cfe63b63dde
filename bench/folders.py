"""File -> map -> file by number of files in hand at once, beside the bare path in the same run.

A burst of files is renamed into the watched folder; the times are those that the file system keeps: a file's
acknowledgement is its move to `done` (its change time), its delivery the appearance of its copy (its change time).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import processes, project
from bench.processes import Failed, Process
from bench.throughput import CONNECTIONS, Passed, quantile
from bench.wire import REPOSITORY, Numbered
from engine.clock import SystemClock

FILES = 1500
_SECONDS = 120.0


def file_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure the bare path and the engine with bursts of `FILES` files; `seconds` is not needed here."""
    message = Numbered()
    for name in ("bare", "engine"):
        for together in CONNECTIONS:
            place = folder / f"{name}-{together}"
            with ExitStack() as stack:
                process = _started(name, place, together, stack)
                yield name, burst(process, place, message, together)
                if name == "engine" and not processes.asked(place, "reconcile")["conserved"]:
                    raise Failed("the engine's own counts do not add up")
                process.kill() if name == "bare" else process.stop()


def _started(name: str, place: Path, together: int, stack: ExitStack) -> Process:
    for each in ("in/done", "out", "staged"):
        (place / each).mkdir(parents=True)
    if name == "bare":
        words = [sys.executable, "-m", "bench.bare_files", str(place), str(together)]
        process = stack.enter_context(processes.Process(words, folder=REPOSITORY))
        process.line_with("ready")
        return process
    listen = f'file: {place}/in, match: "*.json", every: 10ms, stable: 0s, in_flight: {together}, codec: json'
    shape = project.Shape(listen, f"file: {place}/out", concurrency=max(4, together), files=True)
    project.write(place, shape)
    return stack.enter_context(processes.engine(place))


def burst(process: Process, place: Path, message: Numbered, together: int) -> Passed:
    """Let a burst come in, wait until all copies are there, and read the times off the files."""
    for number in range(1, FILES + 1):
        (place / f"staged/{number:06d}.json").write_bytes(message.body(number, number % 1000))
    used = process.use()
    clock = SystemClock()
    began = clock.now_ms() / 1000
    for staged in sorted((place / "staged").iterdir()):
        os.rename(staged, place / "in" / staged.name)
    until = time.monotonic() + _SECONDS
    while len(visible(place / "out")) < FILES or len(visible(place / "in/done")) < FILES:
        if time.monotonic() > until:
            raise Failed(f"only {len(visible(place / 'out'))} of {FILES} files came out")
        time.sleep(0.02)
    after = process.use()
    acks = sorted(each.stat().st_ctime - began for each in visible(place / "in/done"))
    ends = sorted(each.stat().st_ctime - began for each in visible(place / "out"))
    return Passed(
        connections=together,
        messages=FILES,
        delivered=len(ends) / ends[-1],
        acknowledged=len(acks) / acks[-1],
        ack_p50=quantile(acks, 0.5) * 1000,
        ack_p99=quantile(acks, 0.99) * 1000,
        end_p50=quantile(ends, 0.5) * 1000,
        end_p99=quantile(ends, 0.99) * 1000,
        cpu=(after.cpu - used.cpu) / FILES * 1e6,
        rss_mb=after.rss_kb / 1000,
        refused=0,
        lost=FILES - len(ends),
        duplicates=0,
        out_of_order=0,
    )


def visible(folder: Path) -> list[Path]:
    """Return the files that have appeared; what is being written has a hidden name."""
    return [folder / name for name in os.listdir(folder) if not name.startswith(".")]
