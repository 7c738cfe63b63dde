"""What one mapper carries of real and invented messages, of the guide's fields, and of other converters' Bundles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.coverage.described import Described, Schemas
from bench.coverage.guide import Guide
from bench.coverage.messages import FEW, invented, real
from bench.coverage.pairs import Tally, compare
from engine.cli.map.measuring import Coverage, measure
from engine.codecs import codec
from engine.errors import Rejected
from engine.mapping.two_way import TwoWayMapper
from engine.model import Body, Message

ZONE = "America/Toronto"


@dataclass(slots=True)
class Measured:
    """One mapper: its coverage by kind, of real messages and of invented ones, and the guide's places that it met.

    `guide` counts the places with a target in the guide that messages of each kind had, `guide_carried` those of them
    that FHIR carried, and `missed` the others.
    """

    name: str
    real: dict[str, Coverage] = field(default_factory=dict)
    invented: dict[str, Coverage] = field(default_factory=dict)
    guide: int = 0
    guide_carried: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    described: Described = field(default_factory=Described)


def measured(mappers: Iterable[TwoWayMapper], corpus: Path, tell: Callable[[str], None]) -> list[Measured]:
    """Measure each mapper; without the corpus with invented messages only, and without the guide."""
    there = real(corpus) if corpus.is_dir() else {}
    schemas = Schemas()
    guide = Guide.of(corpus / "v2-to-fhir" / "mappings") if corpus.is_dir() else None
    found = []
    for mapper in mappers:
        tell(mapper.name)
        one = Measured(mapper.name)
        for kind in mapper.messages:
            if there.get(kind):
                one.real[kind] = _covered(mapper, there[kind], schemas, one.described)
            if len(there.get(kind, ())) < FEW and (made := invented(kind)):
                one.invented[kind] = _covered(mapper, made, schemas, one.described)
            if guide is not None:
                _count_guide(one, guide.places(kind), kind)
        found.append(one)
    return found


def _covered(
    mapper: TwoWayMapper, messages: Iterable[bytes], schemas: Schemas, described: Described
) -> Coverage:
    total = Coverage()
    for data in messages:
        try:
            root = root_of(data)
            total.add(measure(mapper, "v2", root, zone=ZONE))
            event = mapper.get("v2", root, zone=ZONE).data
            schemas.count(mapper.event_type(event), event, described)
        except Rejected:
            total.refused += 1
    return total


def root_of(data: bytes) -> Any:
    """Return a message as mappers read it; Rejected."""
    return codec("hl7v2").decode(Message("", "", Body.of(data), "hl7v2", 0)).root


def _count_guide(one: Measured, places: frozenset[str], kind: str) -> None:
    """Count the guide's places among those that messages of a kind had; a place without a component is its first."""
    met, carried = set(), set()
    for coverage in (one.real.get(kind), one.invented.get(kind)):
        if coverage is not None:
            met |= {place for path in coverage.met if (place := _in_guide(path, places))}
            carried |= {place for path in coverage.by_fhir if (place := _in_guide(path, places))}
    one.guide += len(met)
    one.guide_carried += len(met & carried)
    one.missed.update(met - carried)


def _in_guide(path: str, places: frozenset[str]) -> str:
    """Return the guide's place that a path (`PID-3.4`) belongs to, "" where it has none."""
    if path in places:
        return path
    whole = path.rpartition(".")[0]
    return whole if whole in places else ""


def beside_others(mappers: Iterable[TwoWayMapper], corpus: Path) -> Mapping[str, Tally]:
    """Compare what the mappers make with what other converters' tests expect, by kind."""
    by_kind = {kind: mapper for mapper in mappers if "fhir" in mapper.sides for kind in mapper.messages}

    def convert(kind: str, data: bytes) -> Any:
        mapper = by_kind.get(kind)
        if mapper is None:
            return None
        try:
            return mapper.put("fhir", mapper.get("v2", root_of(data), zone="UTC").data, zone="UTC")
        except Rejected as error:
            raise ValueError(str(error)) from error

    return compare(corpus / "pairs", convert)
