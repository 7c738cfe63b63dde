"""What each door takes and what nobody takes, as the routes say it together; for people who check a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.config.loaded import Loaded, LoadedRoute
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
    first, second = kinds_of(one), kinds_of(other)
    if not first and not second:
        return "messages"
    return ", ".join(sorted(set(first) & set(second) if first and second else {*first, *second}))


def untaken(loaded: Loaded) -> list[str]:
    """Return the known message types, sorted, that no route takes at any door; none where a route takes all.

    Known is what has a schema in `mappings/events`, the project's own or one that is shipped.
    """
    taken = {kind for taking in takings(loaded) for kind in taking.kinds or ("",)}
    return [] if "" in taken else sorted(set(known_events(loaded)) - taken)


def known_events(loaded: Loaded) -> Iterator[str]:
    """Give the event types that have a schema."""
    for folder in folders(loaded.root, "mappings"):
        for path in (folder / "events").glob("*.json"):
            yield path.stem
