"""Measure the shipped mappers on one core, per direction.

    python -m bench mappers          kept in bench/figures.json
    python -m bench.mappers          printed only

Each figure is the best of many short rounds, per second of CPU: other work on the machine only ever slows one down.
`v2 -> event` begins with the bytes and `event -> v2` ends with them, so both hold what the codec does; `event -> v2`
has the complement of the message, `create v2` has none. FHIR is measured as JSON values, without its text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.booking import Booking
from bench.codec import sized
from bench.wire import REPOSITORY
from engine.codecs.hl7v2 import CODEC
from engine.config.two_way import two_way
from engine.model import Body, Message
from engine.spi import Document, TwoWay

GOLDEN = REPOSITORY / "mappings" / "golden"
NAMES = ("appointment", "patient-encounter", "laboratory-result", "order", "medication", "invoice")
TIMES = 10
SECONDS = 1.5
"""Seconds of CPU that each direction is measured."""
RESULT_BYTES = 3_700
"""Size of the ORU of TARGETS."""


def measure() -> dict[str, dict[str, float]]:
    """Return messages a second by mapper and direction, `bytes` of the message and `load_s`, the CPU to compile it."""
    found: dict[str, dict[str, float]] = {}
    for name, data in messages().items():
        began = time.process_time()
        mapper = two_way(REPOSITORY, name)
        if mapper is not None:
            took = time.process_time() - began
            found[name] = {"bytes": len(data), "load_s": took, **_directions(mapper, data)}
            print(_line(name, found[name]), flush=True)
    return found


def messages() -> Mapping[str, bytes]:
    """Return the message that each mapper is measured with: the largest of its golden ones where none is made here."""
    made = {"appointment": Booking().message(1, 1), "patient-encounter": sized(1_000)}
    for name in NAMES:
        golden = sorted((GOLDEN / name).glob("*/message.hl7"), key=lambda path: path.stat().st_size)
        if golden and name not in made:
            made[name] = _grown(golden[-1]) if name == "laboratory-result" else _read(golden[-1])
    return made


def _directions(mapper: TwoWay, data: bytes) -> Mapping[str, float]:
    decoded = mapper.get("v2", _decoded(data))
    event, complement = decoded.data, decoded.complement
    work: dict[str, Callable[[], object]] = {
        "v2 -> event": lambda: mapper.get("v2", _decoded(data)),
        "event -> v2": lambda: CODEC.encode(_document(mapper.put("v2", event, complement))),
        "create v2": lambda: CODEC.encode(_document(mapper.put("v2", event))),
    }
    if "fhir" in mapper.sides:
        bundle = mapper.put("fhir", event)
        work["event -> fhir"] = partial(mapper.put, "fhir", event)
        work["fhir -> event"] = partial(mapper.get, "fhir", bundle)
    return {name: _per_second(each) for name, each in work.items()}


def _per_second(work: Callable[[], object]) -> float:
    """Return how often a second of CPU `work` runs, in its best round."""
    best, until = 0.0, time.process_time() + SECONDS
    while time.process_time() < until:
        start = time.process_time()
        for _ in range(TIMES):
            work()
        best = max(best, TIMES / (time.process_time() - start))
    return best


def _decoded(data: bytes) -> object:
    return CODEC.decode(Message("0" * 20, "door", Body.of(data), "hl7v2", 0)).root


def _document(root: object) -> Document:
    from engine.codecs.hl7v2.document import Hl7Document

    return Hl7Document(root)


def _read(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")


def _grown(path: Path) -> bytes:
    """Return a golden result with its last result repeated up to the size of TARGETS."""
    data = _read(path)
    last = [line for line in data.split(b"\r") if line.startswith(b"OBX|")][-1] + b"\r"
    while len(data) + len(last) <= RESULT_BYTES:
        data += last
    return data


def _line(name: str, figures: Mapping[str, float]) -> str:
    told = (
        f"{what} {rate:,.2f}" if what == "load_s" else f"{what} {rate:,.0f}" for what, rate in figures.items()
    )
    return f"{name:22} {', '.join(told)}"


if __name__ == "__main__":
    measure()
