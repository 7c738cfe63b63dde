"""MLLP -> filter and two field reads -> MLLP by number of connections, beside the bare path in the same run; the same
over mutual TLS, over one ordered connection, and to a webhook beside REST -> map -> webhook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import hospital, processes
from bench.hospital import Ward
from bench.throughput import Bench, Passed, bare, conserved, through_engine

CONNECTIONS = (1, 8, 32, 256)
FEW = (8, 32)
LANES = ("--lanes", 32)
"""Sending applications: each is a lane by default."""
MLLP = ("--speech", "mllp")
FEWER = ("--messages", 4000)
"""Where one message is in flight, most of what was acknowledged waits; this is what is waited for."""


def mllp_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure all of it; give name and figures."""
    with ExitStack() as stack:
        bench = Bench(folder / "plain", stack, speech="mllp")
        yield from _bare(bench, "bare", seconds, CONNECTIONS, 32)
        yield from _engine(bench, "engine", Ward(bench.sink_port), seconds, CONNECTIONS)
        yield from _secured(folder, seconds)
        yield from _bare(bench, "bare, one at a time", seconds, (32,), 1, *FEWER)
        alone = Ward(bench.sink_port, in_one_lane=True, concurrency=1)
        yield from _engine(bench, "one ordered connection", alone, seconds, (32,), *FEWER)
    with ExitStack() as stack:
        bench = Bench(folder / "http", stack)
        ward = Ward(bench.sink_port, webhook=True, concurrency=16)
        yield from _engine(bench, "to a webhook", ward, seconds, CONNECTIONS)
        yield from through_engine(bench, stack, "rest to a webhook", seconds, FEW)


def _secured(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    with ExitStack() as stack:
        hospital.write(folder / "tls", Ward(1, secure=True))
        bench = Bench(folder, stack, folder / "tls/certs", speech="mllp")
        yield from _engine(bench, "tls", Ward(bench.sink_port, secure=True), seconds, FEW)


def _bare(
    bench: Bench,
    name: str,
    seconds: float,
    connections: tuple[int, ...],
    concurrency: int,
    *words: object,
) -> Iterator[tuple[str, Passed]]:
    with ExitStack() as stack:
        process, port = bare(bench, stack, *MLLP, "--concurrency", concurrency, name=f"{name}.db")
        bench.warm(port, *MLLP, *LANES)
        for count in connections:
            yield name, bench.measure(process, port, count, seconds, *MLLP, *LANES, *words)


def _engine(
    bench: Bench, name: str, ward: Ward, seconds: float, connections: tuple[int, ...], *words: object
) -> Iterator[tuple[str, Passed]]:
    folder = bench.folder / name.replace(" ", "-")
    port = hospital.write(folder, ward)
    with ExitStack() as stack:
        process = stack.enter_context(processes.engine(folder))
        bench.warm(port, *MLLP, *LANES)
        for count in connections:
            yield name, bench.measure(process, port, count, seconds, *MLLP, *LANES, *words)
        conserved(folder)
        process.stop()
