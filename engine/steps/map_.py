"""`map`: replace the document by what a mapper makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from engine.errors import NotFound
from engine.mapping.two_way import TwoWayMapper
from engine.spi import Document, Mapper, Scope, Step, TwoWay
from engine.steps.contract import ExpressionText, MapperName, StepConfig, StepType, Workshop
from engine.steps.remainder import places_of
from engine.steps.two_way import Found, Side, TwoWayMap, Verify, sides_of

_WRITTEN_ANEW = ("event", "json")
"""Sides between which nothing is kept where nobody asks for it: a notification holds what its rules name."""
_ONLY_TWO_WAY = ("from_", "to", "verify", "strict", "complement", "found_by")


class MapConfig(StepConfig):
    """Apply a mapper of the project's `mappings/` folder, else of the shipped ones.

    A mapper with a `document:` makes a new JSON document. One with `rules:` is two-way: it leads from one of its sides
    to another, over the domain event.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    shorthand: ClassVar[str] = "mapper"

    mapper: MapperName
    """The mapper's name, as its file says."""

    from_: Side | None = Field(None, alias="from")
    """The side of a two-way mapper that the document is: HL7 v2 (`v2`), a domain `event`, `fhir`, or `json` of a
    partner's own making. What the document is, where it is not given; of JSON, the event."""

    to: Side | None = None
    """The side that it becomes; needed where the mapper has more than one other."""

    verify: Verify = "off"
    """Map what was read back at once and compare it with what came: never, each, or one message of a hundred. What
    differs becomes a dead letter `verify`."""

    strict: bool = False
    """Refuse a message with a leaf that the mapper neither maps nor names under `drop:`."""

    complement: Literal["keep", "none", "brought"] | None = None
    """Keep what the event cannot carry with the message, and write it back where an answer returns (`keep`, where it
    is not given); `none` keeps nothing and writes anew, as an event is written as JSON of a partner's own where it is
    not given. `brought` is `keep`, and what a FHIR Bundle brings of it itself counts before what is
    stored: for senders who are trusted with any message."""

    found_by: dict[str, ExpressionText] = Field(default_factory=dict, max_length=1)
    """Business key of the earlier message whose complement is written back, and the expression that gives its value
    (`{appointment: msg.appointment.id}`). Without it, the event's id."""


@dataclass(frozen=True, slots=True)
class Map:
    """The compiled step of a one-way mapper."""

    mapper: Mapper

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        return (self.mapper.apply(document, scope),)


def _build(config: MapConfig, workshop: Workshop) -> Step:
    mapper = workshop.two_way(config.mapper)
    if mapper is None:
        _refuse_sides(config)
        return Map(workshop.mapper(config.mapper))
    return _two_way(config, mapper, workshop)


def _two_way(config: MapConfig, mapper: TwoWay, workshop: Workshop) -> TwoWayMap:
    made = _plain(config, mapper, workshop)
    if not isinstance(mapper, TwoWayMapper):
        return made
    places = {side: places_of(mapper.definition.scope, side) for side in sorted(mapper.sides - {"event"})}
    return replace(
        made,
        places=places,
        computing=mapper.definition.computing.get(made.target),
        subject=mapper.event_subject,
        catalogued=bool(mapper.definition.event_types),
    )


def _plain(config: MapConfig, mapper: TwoWay, workshop: Workshop) -> TwoWayMap:
    source, target = sides_of(mapper, workshop.codec.name, config.from_, config.to)
    written = (source, target)
    found = next((Found(name, workshop.expression(text)) for name, text in config.found_by.items()), None)
    return TwoWayMap(
        mapper,
        source,
        target,
        workshop.house,
        keeps=config.complement != "none" and not (config.complement is None and written == _WRITTEN_ANEW),
        believes=config.complement == "brought",
        strict=config.strict,
        verify=config.verify,
        found=found,
    )


def _refuse_sides(config: MapConfig) -> None:
    """Refuse what only a two-way mapper can do."""
    said = sorted(config.model_fields_set.intersection(_ONLY_TWO_WAY))
    if said:
        raise NotFound(
            f"the mapper {config.mapper!r} is one-way: `{said[0].rstrip('_')}` is for two-way ones"
        )


STEP = StepType("map", MapConfig, _build)
