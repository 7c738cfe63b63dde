"""Ways that a message goes through a shipped mapper, for the tests of single mappers: to event and FHIR, and back."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.config.two_way import two_way
from engine.spi import TwoWay

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
ZONE = "America/Toronto"


@cache
def shipped(name: str) -> TwoWay:
    """Return a mapper of `mappings/`, compiled."""
    found = two_way(ROOT, name)
    assert found is not None, name
    return found


@cache
def _schema(event_type: str) -> Any:
    text = (ROOT / "mappings" / "events" / f"{event_type}.json").read_text()
    return jsonschema_rs.validator_for(json.loads(text))


def corpus(*types: str) -> Iterator[tuple[str, bytes]]:
    """Give name and bytes of the corpus's well-formed messages of some types (`RDE_O11`); none where it is not."""
    manifest = CORPUS / "manifest.csv"
    if not manifest.exists():
        return
    for row in csv.DictReader(manifest.read_text().splitlines()):
        if row["message_type"] in types and not row["malformed"]:
            yield row["file"], (CORPUS / "messages" / row["file"]).read_bytes()


def event_of(mapper: TwoWay, body: bytes) -> dict[str, Any]:
    """Return the event data of a message."""
    return mapper.get("v2", parse(body), zone=ZONE).data


def again(mapper: TwoWay, body: bytes) -> bytes:
    """Return the message made of its own event and complement."""
    decoded = mapper.get("v2", parse(body), zone=ZONE)
    return write(mapper.put("v2", decoded.data, decoded.complement, zone=ZONE))


def around(mapper: TwoWay, body: bytes) -> bytes:
    """Return the message made of the event that came back from FHIR, with the message's complement."""
    decoded = mapper.get("v2", parse(body), zone=ZONE)
    fhir = mapper.put("fhir", decoded.data, zone=ZONE)
    back = mapper.get("fhir", fhir, zone=ZONE).data
    return write(mapper.put("v2", overlaid(decoded.data, back), decoded.complement, zone=ZONE))


def overlaid(told: Any, back: Any) -> Any:
    """Return what came back laid over what was told: FHIR holds a part of the event, and that part must agree."""
    if isinstance(told, dict) and isinstance(back, dict):
        both = {key: overlaid(told[key], back[key]) for key in told if key in back}
        return {**told, **back, **both}
    if isinstance(told, list) and isinstance(back, list) and len(told) == len(back):
        return [overlaid(one, other) for one, other in zip(told, back, strict=True)]
    return back


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of event data with one leaf changed: `orders.0.encoded.doseMinimum`."""
    made = copy.deepcopy(data)
    here: Any = made
    *steps, last = path.split(".")
    for step in steps:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    here[last] = value
    return made


def schema_faults(mapper: TwoWay, data: dict[str, Any]) -> list[str]:
    """Return what of event data does not meet the schema of its type; paths and rules, no values."""
    check = _schema(mapper.event_type(data))
    return [f"{'.'.join(map(str, error.instance_path))}: {error.kind}" for error in check.iter_errors(data)]


def fhir_faults(mapper: TwoWay, data: dict[str, Any]) -> list[str]:
    """Return what R4 says against the Bundle of event data."""
    bundle = mapper.put("fhir", data, zone=ZONE)
    return [f"{fault.path}: {fault.text}" for fault in structural_faults(bundle)]


def kept(mapper: TwoWay, bodies: Iterable[bytes]) -> float:
    """Return the share of the messages' leaves that their events carry."""
    reports = [mapper.get("v2", parse(body), zone=ZONE).report.as_json() for body in bodies]
    mapped, opaque = (sum(len(report[share]) for report in reports) for share in ("mapped", "opaque"))
    return float(mapped / (mapped + opaque))
