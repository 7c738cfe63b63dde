"""What each door takes and what nobody takes, as the routes say it together; for people who check a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.config.formats import HL7, codecs_at_doors
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.message_types import common_types, untaken_types
from engine.config.shipped import folders


@dataclass(frozen=True, slots=True)
class Taking:
    """One route at one door: a listener and the channel's own selector in it.

    `kinds` are the message types that it takes, () for all. `otherwise` is what happens to what no route of this
    door takes: `refused` or `filtered`.
    """

    listener: str
    selector: str
    route: str
    kinds: tuple[str, ...]
    otherwise: str


def takings(loaded: Loaded) -> list[Taking]:
    """Return every route at every door, in the order of listeners and files."""
    listeners = loaded.app.listen
    found = [
        Taking(door.listener, door.selector, route.name, kinds_of(route), listeners[door.listener].unmatched)
        for route in loaded.routes
        for door in route.config.doors
        if door.listener in listeners
    ]
    order = {name: number for number, name in enumerate(listeners)}
    return sorted(found, key=lambda taking: (order[taking.listener], taking.selector))


def kinds_of(route: LoadedRoute) -> tuple[str, ...]:
    """Return the message types that a route takes, () for all."""
    return (*route.config.accept.events, *route.config.accept.types)


def common_kinds(one: LoadedRoute, other: LoadedRoute) -> str:
    """Name what both routes take, "" when there is nothing."""
    if not kinds_of(one) and not kinds_of(other):
        return "messages"
    first, second = one.config.accept, other.config.accept
    common = set(first.events) & set(second.events)
    if not kinds_of(one) or not kinds_of(other):
        common = {*first.events, *second.events}
    if first.types or second.types:
        common |= set(_common_types(one, other))
    return ", ".join(sorted(common))


def _common_types(one: LoadedRoute, other: LoadedRoute) -> list[str]:
    """Return the HL7 types that both take; a route that takes events only takes none."""
    if any(route.config.accept.events and not route.config.accept.types for route in (one, other)):
        return []
    return common_types(one.config.accept.types, other.config.accept.types)


def untaken(loaded: Loaded) -> list[str]:
    """Return the known message types, sorted, that no route takes though some are taken where they would come.

    Known are the event types that have a schema in `mappings/events`, the project's own or one that is shipped, at
    all doors together; and HL7's own, at each door, of the types of which routes there take some events.
    """
    events = [route for route in loaded.routes if set(codecs_at_doors(loaded, route.config)) - {HL7}]
    taken = {kind for route in events for kind in route.config.accept.events or ("",)}
    lost = set() if "" in taken or not events else set(known_events(loaded)) - taken
    return [*sorted(lost), *_untaken_types(loaded)]


def _untaken_types(loaded: Loaded) -> list[str]:
    doors: dict[tuple[str, str], list[LoadedRoute]] = {}
    for route in loaded.routes:
        for door in route.config.doors:
            doors.setdefault((door.listener, door.selector), []).append(route)
    lost: dict[str, None] = {}
    for routes in doors.values():
        if all(route.config.accept.types for route in routes):
            found = untaken_types(text for route in routes for text in route.config.accept.types)
            lost.update(dict.fromkeys(found))
    return list(lost)


def known_events(loaded: Loaded) -> Iterator[str]:
    """Give the event types that have a schema."""
    for folder in folders(loaded.root, "mappings"):
        for path in (folder / "events").glob("*.json"):
            yield path.stem
