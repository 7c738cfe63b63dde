"""RESULTS.md, made of the figures that were kept: what was measured, against what must be and what is hoped for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
FIGURES = _FOLDER / "figures.json"
PAGE = _FOLDER / "RESULTS.md"
NOTES = _FOLDER / "PROFILE.md"
"""Written by hand: where the time goes and what was tried; it follows the figures."""

_HEAD = """# Measured

Written by `python -m bench` (`make bench`); change the program, not this page. Engine, load and sink are processes
of their own, on loopback, with fsync on and the default configuration: duplicate window of 7 days, journal and
metrics on, the shipped route and mapping (validate, require, find the partner, map, sign by Standard Webhooks; a
second rendering for `keep_first`), {size} bytes in. Only the endpoint's `limits: concurrency: 16` and the listener's
number of connections are not the defaults. The bare path does the least that is durable: socket in, one row in a
group commit, socket out, one completion in a group commit. It decodes, maps, orders and journals nothing. For MLLP the
message is an ADT^A01 of 831 bytes from 32 sending applications, which are 32 lanes, the route a filter that reads two
fields, and the endpoint's `limits: concurrency: 32`; `bare, one at a time` is the yardstick of one ordered connection.
Each figure is the median of its rounds; each round ends with `passerelle reconcile`. Absolute figures move with the
machine: the ratio to the bare path of the same run is the result.
"""

_ONE_AT_A_TIME = ("one ordered connection", "bare, one at a time")
_IN_ORDER = {"ordered": ("ordered",), "mllp": ("engine", "one ordered connection", "tls", "to a webhook")}
"""Runs that promise an order, by part: by the patient, or by the sending application."""

_TITLES = {
    "http": "REST -> map -> webhook",
    "ordered": "The same, ordered by 32 patients",
    "tls": "The same, mutual TLS 1.3 on both sides",
    "many": "Many destinations, many routes",
    "mllp": "MLLP -> filter and two field reads -> MLLP",
    "file": "File -> map -> file",
    "booking": "SIU over MLLP -> event -> FHIR R4 -> webhook",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One line against TARGETS: `measured` reads the figure; `most` says that the bounds are upper ones."""

    what: str
    measured: Callable[[dict[str, Any]], float]
    must: float
    goal: float
    most: bool = False
    digits: int = 0


def _row(kept: dict[str, Any], part: str, name: str, connections: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = kept[part]["figures"][name]
    return next(row for row in rows if row["connections"] == connections)


def _engine(connections: int, figure: str = "delivered") -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(_row(kept, "http", "engine", connections)[figure])


def _life(figure: str, scale: float = 1.0) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(kept["life"]["figures"][figure]) * scale


def _command(figure: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(kept["commands"]["figures"][figure])


def _mllp(name: str, connections: int, figure: str = "delivered") -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(_row(kept, "mllp", name, connections)[figure])


def _of_bare(kept: dict[str, Any]) -> float:
    return min(_mllp("engine", each)(kept) / _mllp("bare", each)(kept) for each in (1, 8, 32))


def _codec(figure: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(kept["codec"]["figures"][figure])


def _mapper(name: str, direction: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(kept["mappers"]["figures"][name][direction])


def _dicom(load: str, figure: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(kept["dicom"]["figures"][load][figure])


def _many(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: float(
        _row(kept, "many", name, 32)["delivered"] / _row(kept, "many", "one of each", 32)["delivered"]
    )


def _waiting(figure: str) -> Callable[[dict[str, Any]], tuple[float, float]]:
    return lambda kept: (
        kept["waiting"]["figures"]["waiting"][figure],
        kept["waiting"]["figures"]["empty"][figure],
    )


def _share(figure: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: _waiting(figure)(kept)[0] / _waiting(figure)(kept)[1]


def _added(figure: str) -> Callable[[dict[str, Any]], float]:
    return lambda kept: _waiting(figure)(kept)[0] - _waiting(figure)(kept)[1]


TARGETS = (
    Target("delivered/s at 1 connection", _engine(1), 1000, 2000),
    Target("delivered/s at 8 connections", _engine(8), 2200, 6000),
    Target("delivered/s at 32 connections", _engine(32), 3000, 10_000),
    Target(
        "128 connections, of the figure at 32", lambda k: _engine(128)(k) / _engine(32)(k), 0.8, 1.0, digits=2
    ),
    Target("ack p50 at 8 connections, ms", _engine(8, "ack_p50"), 2, 0.6, most=True, digits=2),
    Target("ack p99 at 8 connections, ms", _engine(8, "ack_p99"), 10, 3, most=True, digits=1),
    Target("end to end p50 at 8 connections, ms", _engine(8, "end_p50"), 10, 3, most=True, digits=1),
    Target("end to end p99 at 8 connections, ms", _engine(8, "end_p99"), 40, 10, most=True, digits=1),
    Target(
        "mutual TLS at 32 connections, of the plain figure",
        lambda k: _row(k, "tls", "tls", 32)["delivered"] / _row(k, "tls", "plain", 32)["delivered"],
        0.7,
        0.85,
        digits=2,
    ),
    Target("100 destinations, of one", _many("100 destinations"), 0.8, 0.95, digits=2),
    Target("1,000 routes, of one", _many("1000 routes"), 0.8, 0.95, digits=2),
    Target("MLLP -> MLLP, delivered/s at 1 connection", _mllp("engine", 1), 2000, 3000),
    Target("MLLP -> MLLP, delivered/s at 8 connections", _mllp("engine", 8), 8000, 13_000),
    Target("MLLP -> MLLP, delivered/s at 32 connections", _mllp("engine", 32), 12_000, 22_000),
    Target("MLLP -> MLLP, of the bare path: the least of 1, 8, 32", _of_bare, 0.7, 0.7, digits=2),
    Target("MLLP -> MLLP, one ordered connection", _mllp("one ordered connection", 32), 2000, 3000),
    Target(
        "MLLP, 256 connections, of the figure at 32",
        lambda k: _mllp("engine", 256)(k) / _mllp("engine", 32)(k),
        0.8,
        1.0,
        digits=2,
    ),
    Target(
        "MLLP, mutual TLS at 32 connections, of the plain figure",
        lambda k: _mllp("tls", 32)(k) / _mllp("engine", 32)(k),
        0.7,
        0.85,
        digits=2,
    ),
    Target(
        "MLLP -> webhook at 32 connections, of HTTP -> HTTP",
        lambda k: _mllp("to a webhook", 32)(k) / _mllp("rest to a webhook", 32)(k),
        1.0,
        1.2,
        digits=2,
    ),
    Target("MLLP, ack p50 at 8 connections, ms", _mllp("engine", 8, "ack_p50"), 2, 0.6, most=True, digits=2),
    Target("MLLP, ack p99 at 8 connections, ms", _mllp("engine", 8, "ack_p99"), 10, 3, most=True, digits=1),
    Target("MLLP, end to end p50 at 8, ms", _mllp("engine", 8, "end_p50"), 10, 3, most=True, digits=1),
    Target("MLLP, end to end p99 at 8, ms", _mllp("engine", 8, "end_p99"), 40, 10, most=True, digits=1),
    Target("MLLP, RSS at 256 connections, MB", _mllp("engine", 256, "rss_mb"), 200, 130, most=True),
    Target("ER7 1 kB: parse + 10 fields + write, 1/s", _codec("er7_1kB"), 25_000, 60_000),
    Target("ER7 10 kB, same", _codec("er7_10kB"), 15_000, 35_000),
    Target("header + ACK only, 1/s", _codec("header_ack"), 200_000, 500_000),
    *(
        Target(f"{name}: {direction}, 1/s", _mapper(name, direction), must, goal)
        for name, bounds in (
            ("appointment", ((8_000, 20_000), (8_000, 20_000), (20_000, 40_000))),
            ("laboratory-result", ((3_500, 8_000), (3_500, 8_000), (12_000, 25_000))),
        )
        for direction, (must, goal) in zip(
            ("v2 -> event", "event -> v2", "event -> fhir"), bounds, strict=True
        )
    ),
    *(
        Target(f"{name}: v2 -> event, 1/s", _mapper(name, "v2 -> event"), 5_000, 12_000)
        for name in ("order", "medication", "invoice")
    ),
    Target(
        "SIU over MLLP -> FHIR -> webhook, delivered/s at 8 connections",
        lambda kept: float(_row(kept, "booking", "engine", 8)["delivered"]),
        2_000,
        5_000,
    ),
    Target(
        "C-STORE in, 500 x 0.5 MB, of Orthanc", _dicom("500 x 0.5 MB", "in, of orthanc"), 1.0, 2.0, digits=2
    ),
    Target("C-STORE in, 10 x 50 MB, of Orthanc", _dicom("10 x 50 MB", "in, of orthanc"), 1.0, 2.0, digits=2),
    Target(
        "C-STORE in and out, 500 x 0.5 MB, of Orthanc in",
        _dicom("500 x 0.5 MB", "in and out, of orthanc"),
        0.7,
        1.2,
        digits=2,
    ),
    Target(
        "C-STORE in and out, 10 x 50 MB, of Orthanc in",
        _dicom("10 x 50 MB", "in and out, of orthanc"),
        0.7,
        1.2,
        digits=2,
    ),
    Target(
        "RSS with 50 MB objects in and out, MB", _dicom("10 x 50 MB", "engine rss_mb"), 300, 150, most=True
    ),
    Target("RSS idle, MB", _life("idle_mb"), 120, 80, most=True),
    Target("RSS under load (128 connections), MB", _engine(128, "rss_mb"), 200, 130, most=True),
    Target("start to ready, s", _life("start_s"), 2.0, 0.8, most=True, digits=2),
    Target(
        "kill -9 under load to the next delivery, s", _life("kill_to_delivery_s"), 3, 1.5, most=True, digits=2
    ),
    Target(
        "store growth for one message, kB", _life("growth_once_bytes", 0.001), 3.0, 2.0, most=True, digits=2
    ),
    Target(
        "store growth with a second rendering kept, kB",
        _life("growth_bytes", 0.001),
        3.0,
        2.0,
        most=True,
        digits=2,
    ),
    Target("throughput beside what waits, of an empty store", _share("delivered"), 0.85, 0.95, digits=2),
    Target("RSS added by what waits, MB", _added("idle_mb"), 50, 10, most=True),
    Target("start beside what waits, s", lambda k: _waiting("start_s")(k)[0], 5, 5, most=True, digits=2),
    Target("passerelle --help, s", _command("help_s"), 0.15, 0.1, most=True, digits=2),
    Target("check of 100 routes, s", _command("check_s"), 2, 0.5, most=True, digits=2),
)


def figures() -> dict[str, Any]:
    """Return what was measured, by part; each with `figures`, `when`, `load` and `command`."""
    found: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return found


def keep(part: str, measured: object, *, when: str, load: str, command: str = "") -> None:
    """Keep a part's figures in place of its earlier ones."""
    kept = figures()
    kept[part] = {"figures": measured, "when": when, "load": load, "command": command}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")


def write(size: int) -> None:
    """Write the page anew; `size` is what a message measures, in bytes."""
    kept = figures()
    lines = [_HEAD.format(size=size)]
    lines += [f"- {name}: {text}" for name, text in kept["machine"]["figures"].items()]
    if "life" in kept:
        pragmas = ", ".join(f"{name} {value}" for name, value in kept["life"]["figures"]["pragmas"].items())
        lines.append(f"- PRAGMAs: {pragmas}; synchronous FULL")
    lines += [
        "",
        "## Against the targets",
        "",
        "| what | must | goal | measured | |",
        "|---|---|---|---|---|",
    ]
    lines += _against(kept)
    for part, title in _TITLES.items():
        if part in kept:
            lines += ["", f"## {title}", "", *_throughput(kept[part], _IN_ORDER.get(part, ()))]
    for part in ("dicom", "life", "waiting", "codec", "mappers", "commands"):
        if part in kept:
            lines += ["", f"## {part.capitalize()}", "", *_figures(kept[part])]
    if NOTES.exists():
        lines += ["", NOTES.read_text().rstrip()]
    PAGE.write_text("\n".join(lines) + "\n")


def _against(kept: dict[str, Any]) -> Iterator[str]:
    for target in TARGETS:
        try:
            found = target.measured(kept)
        except KeyError:
            continue  # its part was not run

        def reached(bound: float, found: float = found, target: Target = target) -> bool:
            return found <= bound if target.most else found >= bound

        verdict = "goal" if reached(target.goal) else "must" if reached(target.must) else "**below**"
        must, goal = (f"{bound:,g}" for bound in (target.must, target.goal))
        sign = "<= " if target.most else ""
        yield f"| {target.what} | {sign}{must} | {sign}{goal} | {found:,.{target.digits}f} | {verdict} |"


def _throughput(kept: dict[str, Any], ordered: tuple[str, ...]) -> list[str]:
    lines = [
        f"`{kept['command']}`, {kept['when']}, load average {kept['load']}",
        "",
        "| what | connections | messages | delivered/s | of bare | acknowledged/s | ack p50 / p99 ms "
        "| end p50 / p99 ms | CPU us | RSS MB | lost / dup / order |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    alone = {row["connections"]: row["delivered"] for row in kept["figures"].get("bare, one at a time", ())}
    others = {row["connections"]: row["delivered"] for row in kept["figures"].get("bare", ())}
    for name, rows in kept["figures"].items():
        for row in rows:
            bare = alone if name in _ONE_AT_A_TIME else others
            beside = bare.get(row["connections"])
            share = f"{row['delivered'] / beside:.2f}" if beside and not name.startswith("bare") else ""
            order = row["out_of_order"] if name in ordered else "-"
            lines.append(
                f"| {name} | {row['connections']} | {row['messages']:,} | {row['delivered']:,.0f} | {share} "
                f"| {row['acknowledged']:,.0f} | {row['ack_p50']:.2f} / {row['ack_p99']:.1f} "
                f"| {row['end_p50']:.1f} / {row['end_p99']:.1f} | {row['cpu']:.0f} | {row['rss_mb']:.0f} "
                f"| {row['lost']} / {row['duplicates']} / {order} |"
            )
    return lines


def _figures(kept: dict[str, Any]) -> list[str]:
    lines = [f"`{kept['command']}`, {kept['when']}, load average {kept['load']}", ""]
    for name, value in kept["figures"].items():
        lines.append(f"- {name}: {_said(value)}")
    return lines


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items())
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
