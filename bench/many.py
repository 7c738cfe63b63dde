"""Many destinations and many routes, against one of each, at 32 connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.throughput import Bench, Passed, through_engine

CLINICS = 100
ROUTES = 1000


def many_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure one, then a hundred destinations, then a thousand routes."""
    with ExitStack() as stack:
        bench = Bench(folder, stack)
        yield from through_engine(bench, stack, "one of each", seconds, (32,))
        turns = ("--clinics", CLINICS)
        name = f"{CLINICS} destinations"
        yield from through_engine(bench, stack, name, seconds, (32,), words=turns, clinics=CLINICS)
        yield from through_engine(bench, stack, f"{ROUTES} routes", seconds, (32,), routes=ROUTES)
