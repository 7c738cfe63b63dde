"""Refuses destinations that would get more of a message than their endpoint may carry.

The runtime never puts such an endpoint into a chain: what leads nowhere else is dead on arrival. So it is told here,
as far as it can be seen from the configuration alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.config.check_texts import compiled
from engine.config.findings import Findings
from engine.config.loaded import Loaded
from engine.config.mapped import MAPPED_CODEC
from engine.config.mappers import Mappers
from engine.config.nodes import Location, leaves
from engine.config.route import Destination, OneOf, RouteConfig, ToSubscribers, Way
from engine.config.uses import uses
from engine.errors import ExpressionError, Problem

_LEVELS = {"none": 0, "minimal": 1, "full": 2}
_GETS = {1: "what a mapper or `deidentify` leaves of the message", 2: "the whole message"}
_CONTENT = frozenset({"msg", "source", "vars", "it", "reply", "memory"})
"""Names through which content reaches a template."""


def check_phi(loaded: Loaded, mappers: Mappers, problems: list[Problem]) -> None:
    """Check every destination and fallback of every route."""
    levels = _Levels(loaded, mappers)
    for route in loaded.routes:
        _Check(levels, Findings(route.tree, problems)).route(route.config)


class _Levels:
    """What endpoints may be given and what mappers give, each looked up once."""

    def __init__(self, loaded: Loaded, mappers: Mappers) -> None:
        self._mappers = mappers
        self._tables = frozenset(loaded.app.tables)
        self._of_mappers: dict[str, int] = {}
        self._able: dict[tuple[str, str], int] = {}
        self._everywhere: dict[str, dict[int, list[str]]] = {}
        for name, partner in loaded.partners.items():
            for short, endpoint in partner.endpoints.items():
                level = _LEVELS[endpoint.phi]
                self._able[name, short] = level
                self._everywhere.setdefault(short, {}).setdefault(level, []).append(name)

    def of_endpoints(self, way: Way) -> Mapping[int, Sequence[str]]:
        """Return the partners that a way may lead to, by how much of a message their endpoint may be given."""
        if way.endpoint.partner is None:
            return self._everywhere.get(way.endpoint.short, {})
        level = self._able.get((way.endpoint.partner, way.endpoint.short))
        return {} if level is None else {level: [way.endpoint.partner]}

    def of_steps(self, steps: Sequence[Mapping[str, Any]]) -> int:
        """Return the least that a document can hold of the message after these steps."""
        level = _LEVELS["full"]
        for step in steps:
            for name, config in step.items():
                if name == "map":
                    level = self._of_map(config)
                elif name == "deidentify":
                    level = _LEVELS["minimal"]
                elif name in ("each", "extract") or (
                    name == "set"
                    and any(_tells(use.text, self._tables) for use in uses(config) if use.what == "template")
                ):
                    level = max(level, _LEVELS["minimal"])
        return level

    def of_enclosure(self, way: Way) -> int:
        """Return the least that a destination's `body` and `name` hold of the message."""
        if not isinstance(way, Destination):
            return _LEVELS["none"]
        if way.body is not None:
            return _LEVELS["full"]
        named = way.called is not None and _tells(way.called, self._tables)
        return _LEVELS["minimal" if named else "none"]

    def _of_map(self, config: Any) -> int:
        """Return what a mapper takes: JSON of a partner's own holds what its rules name, other sides all there is."""
        mapper = self._mappers.two_way(config.mapper)
        if mapper is None:
            return self._of_mapper(config.mapper)
        alone = mapper.sides == {"event", "json"}
        anew = config.complement == "none" or (
            config.complement is None and (config.from_ == "event" or (alone and config.from_ is None))
        )
        to_json = config.to == "json" or (alone and config.to is None and config.from_ != "json")
        return _LEVELS["minimal" if to_json and anew else "full"]

    def _of_mapper(self, name: str) -> int:
        if name not in self._of_mappers:
            tree = self._mappers.tree(name)
            document = None if tree is None else tree.get("document")
            tables = self._mappers.tables(name)
            tells = document is None or any(_tells(text, tables) for _, text in leaves(document))
            self._of_mappers[name] = _LEVELS["minimal" if tells else "none"]
        return self._of_mappers[name]


class _Check:
    """One route."""

    def __init__(self, levels: _Levels, findings: Findings) -> None:
        self._levels = levels
        self._findings = findings

    def route(self, route: RouteConfig) -> None:
        """Check every way that the route's messages may take."""
        for index, entry in enumerate(route.to):
            if isinstance(entry, Destination):
                self._destination(("to", index), entry, route.steps)
            elif isinstance(entry, OneOf):
                for number, choice in enumerate(entry.one_of):
                    self._destination(("to", index, "one_of", number), choice, route.steps)
            elif isinstance(entry, ToSubscribers):
                for subscriber in entry.found:
                    self._way(("to", index), subscriber.destination, [*route.steps, *entry.steps])

    def _destination(
        self, at: Location, destination: Destination, before: Sequence[Mapping[str, Any]]
    ) -> None:
        steps = [*before, *destination.steps]
        self._way(at, destination, steps)
        for index, way in enumerate(destination.fallback.to if destination.fallback else ()):
            self._way((*at, "fallback", "to", index), way, [*steps, *way.steps])

    def _way(self, at: Location, way: Way, steps: Sequence[Mapping[str, Any]]) -> None:
        """Compare what one endpoint gets with what it may; among several, some must be able to take it."""
        gets = max(self._levels.of_steps(steps), self._levels.of_enclosure(way))
        endpoints = self._levels.of_endpoints(way)
        able = any(names for level, names in endpoints.items() if level >= gets)
        unable = [name for level, names in endpoints.items() if level < gets for name in names]
        if not unable:
            return
        told = f'"{unable[0]}.{way.endpoint.short}" gets {_GETS[gets]}, and its `phi` forbids it'
        help = "map it to less, or raise `phi` of the endpoint"
        if able:
            others = f" (and {len(unable) - 1} others)" if len(unable) > 1 else ""
            self._findings.warning((*at, "endpoint"), told + others, help)
        else:
            self._findings.error((*at, "endpoint"), told, help)


def _tells(text: str, tables: frozenset[str]) -> bool:
    """Tell whether a template reads the message; one that does not compile is told of elsewhere."""
    try:
        made = compiled("template", str(text), MAPPED_CODEC, tables)
    except ExpressionError:
        return False
    return made is not None and not _CONTENT.isdisjoint(made.names)
