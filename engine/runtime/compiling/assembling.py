"""From a loaded configuration to the board that runs: routes compiled, doors opened, policies read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.config.loaded import Loaded, LoadedRoute
from engine.config.models import ListenerConfig
from engine.config.route import ToRoute
from engine.config.shipped import find_mapper
from engine.config.two_way import is_two_way
from engine.errors import ConfigurationError, Problem
from engine.runtime.compiling.policies import ConfiguredPolicies
from engine.runtime.compiling.routes import Compiler, milliseconds
from engine.runtime.compiling.supplies import Supplies
from engine.runtime.routing.board import Board, CompiledRoute, Door

REFUSE_COLLISIONS = frozenset({"rest", "webhook"})
"""Channels whose senders can mend a reused id: they get 422. From all others it is accepted and flagged (G4)."""

ORDERED = frozenset({"file", "mllp"})
"""Channels whose messages are delivered in order of arrival, per sender and listener, where a route says nothing."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A configuration with everything that was made of it."""

    loaded: Loaded
    supplies: Supplies
    board: Board


def assemble(loaded: Loaded, *, like: Assembled | None = None) -> Assembled:
    """Compile a configuration; what is the same as in `like` is taken from there.

    Raises:
        ConfigurationError: holding the problems of every route that does not compile.
    """
    supplies = Supplies(loaded, like=like.supplies if like else None)
    known = _unchanged(loaded, like) if like else {}
    routes = _compiled(supplies, known)
    board = Board(
        doors=_doors(loaded, routes),
        routes=routes,
        directory=supplies.directory,
        tables=supplies.tables,
        policies=ConfiguredPolicies(loaded, routes, supplies.directory),
        maps_back=any(_maps_two_ways(loaded, route) for route in loaded.routes),
        remembers=any(each.remember for route in loaded.routes for each in route.config.destinations()),
    )
    return Assembled(loaded, supplies, board)


def _compiled(supplies: Supplies, known: Mapping[str, CompiledRoute]) -> dict[str, CompiledRoute]:
    compiler = Compiler(supplies)
    routes: dict[str, CompiledRoute] = {}
    problems: list[Problem] = []
    for loaded in supplies.loaded.routes:
        try:
            routes[loaded.name] = known.get(loaded.name) or compiler.route(loaded.name)
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    return routes


def _unchanged(loaded: Loaded, like: Assembled) -> dict[str, CompiledRoute]:
    """Return the compiled routes that neither changed nor hand on to one that did; none after a change elsewhere."""
    if loaded.app is not like.loaded.app:
        return {}
    before = {route.name: route for route in like.loaded.routes}
    changed = {route.name for route in loaded.routes if before.get(route.name) is not route}
    leads = {
        route.name: {entry.route for entry in route.config.to if isinstance(entry, ToRoute)}
        for route in loaded.routes
    }
    while more := {name for name, to in leads.items() if to & changed} - changed:
        changed |= more
    return {name: route for name, route in like.board.routes.items() if name in leads and name not in changed}


def _maps_two_ways(loaded: Loaded, route: LoadedRoute) -> bool:
    names = {use.text for use in route.uses if use.what == "mapper"}
    found = [find_mapper(loaded.root, name) for name in names]
    return any(path is not None and is_two_way(path) for path in found)


def _doors(loaded: Loaded, routes: Mapping[str, CompiledRoute]) -> dict[str, Door]:
    taking: dict[str, dict[str, list[CompiledRoute]]] = {name: {} for name in loaded.app.listen}
    for route in loaded.routes:
        for door in route.config.doors:
            found = taking[door.listener].setdefault(door.selector, [])
            if routes[route.name] not in found:
                found.append(routes[route.name])
    return {name: _door(loaded, name, listener, taking[name]) for name, listener in loaded.app.listen.items()}


def _door(
    loaded: Loaded, name: str, listener: ListenerConfig, routes: Mapping[str, Sequence[CompiledRoute]]
) -> Door:
    dedupe = listener.dedupe or loaded.app.defaults.dedupe
    return Door(
        listener=name,
        partner=listener.partner,
        filters=listener.unmatched == "filtered",
        refuses_collisions=listener.type in REFUSE_COLLISIONS,
        ordered=listener.type in ORDERED,
        dedupe_ms=milliseconds(dedupe.window),
        routes={selector: tuple(found) for selector, found in routes.items()},
    )
