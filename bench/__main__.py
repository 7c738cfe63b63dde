"""Measure Passerelle and write bench/RESULTS.md.

    python -m bench [PART ...] [--rounds 3] [--seconds 4] [--waiting 1000000] [--folder DIR]
    python -m bench store|dispatch|route [...]      one room alone, printed only

Parts: http ordered tls many mllp file booking dicom life waiting codec mappers commands. Without a part, all are
measured.
What is not measured anew keeps its last figures (bench/figures.json).
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    booking,
    codec,
    commands,
    dicom,
    folders,
    lifecycle,
    many,
    mappers,
    mllp,
    results,
    throughput,
    waiting,
)
from bench.machine import facts, load, stolen, ticks, today
from bench.throughput import Passed
from bench.wire import Numbered

ROOMS = ("store", "dispatch", "route")
_Round = Callable[[Path, float], Iterator[tuple[str, Passed]]]
_ROUNDS: dict[str, _Round] = {
    "http": throughput.http_round,
    "ordered": throughput.ordered_round,
    "tls": throughput.tls_round,
    "many": many.many_round,
    "mllp": mllp.mllp_round,
    "file": folders.file_round,
    "booking": booking.booking_round,
}
PARTS = (*_ROUNDS, "dicom", "life", "waiting", "codec", "mappers", "commands")


def by_rounds(part: str, rounds: int, seconds: float, folder: Path) -> object:
    """Measure a part several times; return its medians."""
    measured: list[list[tuple[str, Passed]]] = []
    for number in range(rounds):
        measured.append([])
        for name, passed in _ROUNDS[part](folder / f"{part}-{number}", seconds):
            measured[-1].append((name, passed))
            print(
                f"{name:22} {passed.connections:4} connections: {passed.delivered:7.0f} delivered/s, "
                f"ack {passed.ack_p50:.1f} / {passed.ack_p99:.1f} ms, end {passed.end_p99:.0f} ms, "
                f"{passed.cpu:.0f} us CPU, {passed.rss_mb:.0f} MB, lost {passed.lost} "
                f"dup {passed.duplicates} order {passed.out_of_order}",
                flush=True,
            )
    return throughput.medians(measured)


def once(part: str, rounds: int, seconds: float, rows: int, folder: Path) -> object:
    """Measure a part that has rounds of its own, or needs none."""
    if part == "dicom":
        return dicom.measure()
    if part == "life":
        return lifecycle.measure(folder, rounds, seconds)
    if part == "waiting":
        return waiting.measure(folder, rounds, seconds, rows)
    if part == "codec":
        return codec.measure()
    if part == "mappers":
        return mappers.measure()
    return commands.measure(folder)


def main() -> None:
    """Read the command line, measure, write."""
    if len(sys.argv) > 1 and sys.argv[1] in ROOMS:
        room = sys.argv.pop(1)
        runpy.run_module(f"bench.{room}", run_name="__main__")
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--waiting", type=int, default=1_000_000, help="messages that wait, for that part")
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="passerelle-bench-") as name:
        folder = Path(name)
        results.keep("machine", facts(folder), when=today(), load=load())
        for part in given.parts or PARTS:
            print(f"-- {part} (load average {load()})", flush=True)
            before, since = load(), ticks()
            if part in _ROUNDS:
                figures = by_rounds(part, given.rounds, given.seconds, folder)
            else:
                figures = once(part, given.rounds, given.seconds, given.waiting, folder)
                print(figures, flush=True)
            busy = f"{before} to {load()}, {stolen(since)}"
            results.keep(part, figures, when=today(), load=busy, command=f"python -m bench {part}")
    results.write(Numbered().size)


if __name__ == "__main__":
    main()
