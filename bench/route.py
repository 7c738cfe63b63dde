"""Measures what routing one message costs: the shipped route from bytes to rows, without store and sockets.

    python -m bench.route [--messages N] [--profile]

Prints microseconds of CPU per message, for each stage and as a whole: the least of many short rounds, since other
work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import process_time

from engine.clock import SystemClock
from engine.codecs import codec
from engine.config.load import load_configuration
from engine.ids import IdSource
from engine.model import Body, Message
from engine.runtime.compiling.assembling import assemble
from engine.runtime.routing.board import Board, Door
from engine.runtime.routing.keeping import kept_headers
from engine.runtime.routing.opening import opening
from engine.runtime.routing.plan import NOTHING_KNOWN, Planner
from engine.runtime.routing.program import Program

REPOSITORY = Path(__file__).parents[1]
DOOR = "POST /v1/appointments"
ROUNDS = 40
CONFIG = """
listen: {public: {rest: 127.0.0.1:0}}
profiles: {patient-hooks: {timeout: 30s}}
alerts: {ops: {to: clinic-0.mail}}
partners:
"""
PARTNER = """
  clinic-%(n)d:
    identifiers: {permit: "%(permit)s"}
    zone: America/Toronto
    endpoints:
      emr: {inbox: emr-%(n)d, phi: full}
      queue: {inbox: queue-%(n)d, phi: full}
      mail: {inbox: mail-%(n)d, phi: none}
"""


class Uncounted:
    """Counters that count nothing: what they cost is not routing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


def board(folder: Path, clinics: int, *, keep_first: bool) -> Board:
    """Compile the shipped route for so many clinics."""
    partners = "".join(PARTNER % {"n": n, "permit": f"{n + 1234:05d}"} for n in range(clinics))
    (folder / "config.yaml").write_text(CONFIG + partners, encoding="utf-8")
    (folder / "routes").mkdir(exist_ok=True)
    route = (REPOSITORY / "routes/appointment-to-clinic.yaml").read_text(encoding="utf-8")
    if not keep_first:
        route = route.replace(", kind: keep_first", "")
    (folder / "routes/appointment-to-clinic.yaml").write_text(route, encoding="utf-8")
    return assemble(load_configuration(folder / "config.yaml", environ={})).board


def message(ids: IdSource, clock: SystemClock) -> Message:
    """Return the shipped sample as a channel hands it in."""
    event = json.loads((REPOSITORY / "routes/samples/booked.json").read_text(encoding="utf-8"))
    body = Body.of(json.dumps(event, ensure_ascii=False).encode())
    return Message(
        id=ids.next(),
        listener="public",
        body=body,
        codec="json",
        received_ms=clock.now_ms(),
        selector=DOOR,
        partner="clinic-0",
        content_type="application/cloudevents+json",
        headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    )


def microseconds(work: Callable[[], object], count: int) -> float:
    """Return what one call costs, of CPU: the least over rounds of `count / ROUNDS` calls."""
    calls = max(1, count // ROUNDS)
    rounds = []
    for _ in range(ROUNDS):
        begin = process_time()
        for _ in range(calls):
            work()
        rounds.append((process_time() - begin) / calls * 1e6)
    return min(rounds)


def stages(
    given: Board, door: Door, planner: Planner, received: Message
) -> Mapping[str, Callable[[], object]]:
    """Return the stages of one message, each on what the one before it made."""
    program: Program = door.at(DOOR)[0].programs["json"]
    json_codec = codec("json")
    document = json_codec.decode(received)
    clock, ids = SystemClock(), IdSource(SystemClock())

    def scope() -> object:
        return opening(received, document, given, now_ms=clock.now_ms(), new_id=ids.next)

    return {
        "decode": lambda: json_codec.decode(received),
        "schema": lambda: program.accept.check(document),
        "scope": scope,
        "steps, map, render, encode": lambda: planner.reroute(
            program, received, document, given, (NOTHING_KNOWN, set())
        ),
        "kept headers": lambda: kept_headers(received),
        "whole": lambda: planner.plan(received, door, given),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000, help="messages per stage")
    parser.add_argument("--clinics", type=int, default=100, help="partners in the directory")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, too")
    options = parser.parse_args()
    clock = SystemClock()
    ids = IdSource(clock)
    for keep_first in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            given = board(Path(folder), options.clinics, keep_first=keep_first)
        door = given.doors["public"]
        planner = Planner(clock=clock, new_id=ids.next, counters=Uncounted(), behind=lambda route: False)
        received = message(ids, clock)
        rendered = planner.plan(received, door, given).renderings
        print(f"keep_first {'on' if keep_first else 'off'}: {len(rendered)} renderings per message")
        for name, work in stages(given, door, planner, received).items():
            print(f"  {name:28} {microseconds(work, options.messages):8.1f} us")
        if options.profile:
            with cProfile.Profile() as profile:
                for _ in range(options.messages):
                    planner.plan(received, door, given)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
