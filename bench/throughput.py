"""REST -> map -> webhook by number of connections, beside the bare path in the same run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import processes, project
from bench.processes import Failed, Process
from bench.timings import Timings

CONNECTIONS = (1, 8, 32, 128)
_WARM_MESSAGES = 300
_DRAIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Passed:
    """What one number of connections gave; rates per second, times in ms, CPU of the measured process in us."""

    connections: int
    messages: int
    delivered: float
    acknowledged: float
    ack_p50: float
    ack_p99: float
    end_p50: float
    end_p99: float
    cpu: float
    rss_mb: float
    refused: int
    lost: int
    duplicates: int
    out_of_order: int
    """Overtaken within its patient; counted in every run, promised where the patient is the ordering key."""


def quantile(values: list[float], share: float) -> float:
    """Return the value below which that share of the sorted values lies; 0 of none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Bench:
    """One sink, and the numbers that were used so far; whatever is measured sends to it."""

    def __init__(
        self, folder: Path, stack: ExitStack, certificates: Path | None = None, *, speech: str = "http"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._certificates = ["--certificates", certificates] if certificates else []
        self.sent, self.acked, self.arrived = (folder / name for name in ("sent", "acked", "arrived"))
        self.sink = stack.enter_context(
            processes.python("bench.sink", "--arrived", self.arrived, "--speech", speech, *self._certificates)
        )
        self.sink_port = int(self.sink.line_with("\n"))
        self.arrivals = Timings(self.arrived)
        stack.callback(self.arrivals.close)
        self.next = 1

    def send(self, port: int, connections: int, seconds: float, *words: object) -> dict[str, float]:
        """Let the load send; return what it says at its end."""
        with self.loading(port, connections, seconds, *words) as load:
            said: dict[str, float] = json.loads(load.line_with("began", seconds + _DRAIN_SECONDS))
        self.next = int(said["last"])
        return said

    def warm(self, port: int, *words: object) -> None:
        """Send some messages that are not measured, and wait until they arrived."""
        seen = self.arrivals.seen
        said = self.send(port, 8, 5.0, "--messages", _WARM_MESSAGES, *words)
        self.wait(seen + int(said["last"] - said["first"] - said["refused"] - said["broken"]))

    def loading(self, port: int, connections: int, seconds: float, *words: object) -> Process:
        """Start the load."""
        numbers = ["--first", self.next, "--sent", self.sent, "--acked", self.acked]
        way = ["--port", port, "--connections", connections, "--seconds", seconds]
        return processes.python("bench.load", *way, *numbers, *self._certificates, *words)

    def wait(self, count: int, seconds: float = _DRAIN_SECONDS) -> None:
        """Wait until so many numbers arrived in all, or none has arrived for a while."""
        until = time.monotonic() + seconds
        while self.arrivals.seen < count and time.monotonic() < until:
            time.sleep(0.01)

    def acks(self, first: int, last: int) -> list[float]:
        """Return when each of these numbers was acknowledged; 0 = not."""
        timings = Timings(self.acked)
        found = timings.between(first, last)
        timings.close()
        return found

    def measure(
        self, process: Process, port: int, connections: int, seconds: float, *words: object
    ) -> Passed:
        """Send for a while, wait until all has arrived, and say how it went."""
        used, seen = process.use(), self.arrivals.seen
        duplicates, out_of_order = self.arrivals.duplicates, self.arrivals.out_of_order
        said = self.send(port, connections, seconds, *words)
        first, last = int(said["first"]), int(said["last"])
        accepted = last - first - int(said["refused"]) - int(said["broken"])
        self.wait(seen + accepted)
        after = process.use()
        return self._judged(
            connections,
            said,
            cpu=after.cpu - used.cpu,
            rss_mb=after.rss_kb / 1000,
            duplicates=self.arrivals.duplicates - duplicates,
            out_of_order=self.arrivals.out_of_order - out_of_order,
        )

    def _judged(self, connections: int, said: dict[str, float], *, cpu: float, **more: float) -> Passed:
        first, last = int(said["first"]), int(said["last"])
        sent_times = Timings(self.sent)
        sent, acked = sent_times.between(first, last), self.acks(first, last)
        arrived = self.arrivals.between(first, last)
        sent_times.close()
        acks = sorted((end - begin) * 1000 for begin, end in zip(sent, acked, strict=True) if end)
        ends = sorted((end - begin) * 1000 for begin, end in zip(sent, arrived, strict=True) if end)
        if not ends or not acks:
            raise Failed(f"nothing arrived of {last - first} messages")
        lost = sum(1 for ack, end in zip(acked, arrived, strict=True) if ack and not end)
        return Passed(
            connections=connections,
            messages=last - first,
            delivered=len(ends) / (max(arrived) - said["began"]),
            acknowledged=len(acks) / (max(acked) - said["began"]),
            ack_p50=quantile(acks, 0.5),
            ack_p99=quantile(acks, 0.99),
            end_p50=quantile(ends, 0.5),
            end_p99=quantile(ends, 0.99),
            cpu=cpu / len(ends) * 1e6,
            rss_mb=more["rss_mb"],
            refused=int(said["refused"] + said["broken"]),
            lost=lost,
            duplicates=int(more["duplicates"]),
            out_of_order=int(more["out_of_order"]),
        )


def bare(bench: Bench, stack: ExitStack, *words: object, name: str = "bare.db") -> tuple[Process, int]:
    """Start the bare path with a store of its own; return it and its port."""
    way = ["--sink", bench.sink_port, "--store", bench.folder / name]
    process = stack.enter_context(processes.python("bench.bare", *way, *words))
    return process, int(process.line_with("\n"))


def conserved(folder: Path) -> None:
    """Ask the engine of a project whether its own counts add up.

    Raises:
        Failed: they do not.
    """
    counts = processes.asked(folder, "reconcile")
    if not counts["conserved"]:
        raise Failed(f"the engine's own counts do not add up: {counts}")


def http_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure the bare path and the engine, each at all numbers of connections; give name and figures."""
    with ExitStack() as stack:
        bench = Bench(folder, stack)
        process, port = bare(bench, stack)
        bench.warm(port)
        for connections in CONNECTIONS:
            yield "bare", bench.measure(process, port, connections, seconds)
        process.kill()
        yield from through_engine(bench, stack, "engine", seconds, CONNECTIONS)


def ordered_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure with 32 patients as lanes, so that whatever overtakes is seen."""
    with ExitStack() as stack:
        bench = Bench(folder, stack)
        yield from through_engine(
            bench, stack, "ordered", seconds, (8, 32), words=("--lanes", 32), ordered=True
        )


def tls_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure plain, then with mutual TLS 1.3 on both sides."""
    with ExitStack() as stack:
        yield from through_engine(Bench(folder / "plain", stack), stack, "plain", seconds, (8, 32))
    with ExitStack() as stack:
        project.rest_to_webhook(folder / "tls", 1, secure=True)
        bench = Bench(folder, stack, folder / "tls/certs")
        yield from through_engine(bench, stack, "tls", seconds, (8, 32), secure=True)


def through_engine(
    bench: Bench,
    stack: ExitStack,
    name: str,
    seconds: float,
    connections: tuple[int, ...],
    *,
    words: tuple[object, ...] = (),
    **shape: object,
) -> Iterator[tuple[str, Passed]]:
    folder = bench.folder / name
    port = project.rest_to_webhook(folder, bench.sink_port, **shape)  # type: ignore[arg-type]  # its own words
    process = stack.enter_context(processes.engine(folder))
    bench.warm(port, *words)
    for count in connections:
        yield name, bench.measure(process, port, count, seconds, *words)
    conserved(folder)
    process.stop()


def medians(rounds: list[list[tuple[str, Passed]]]) -> dict[str, list[dict[str, float]]]:
    """Return, per name, one row per number of connections: the median of each figure, and the sum of what was bad."""
    found: dict[str, dict[int, list[Passed]]] = {}
    for each in rounds:
        for name, passed in each:
            found.setdefault(name, {}).setdefault(passed.connections, []).append(passed)
    return {name: [_middle(runs) for runs in by.values()] for name, by in found.items()}


def _middle(runs: list[Passed]) -> dict[str, float]:
    rows = [asdict(run) for run in runs]
    sums = {"refused", "lost", "duplicates", "out_of_order", "messages"}
    return {
        key: sum(row[key] for row in rows)
        if key in sums
        else sorted(row[key] for row in rows)[len(rows) // 2]
        for key in rows[0]
    }
