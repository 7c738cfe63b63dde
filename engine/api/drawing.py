"""Draws a configuration: doors, routes, endpoints and fallbacks, as text for Mermaid or Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.config.loaded import Loaded, LoadedRoute
from engine.config.route import Destination, OneOf, ToRoute, ToSubscribers


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow between (kind, name) of `door`, `route` or `endpoint`; `text` stands on it, `fallback` is dashed."""

    start: tuple[str, str]
    end: tuple[str, str]
    text: str = ""
    fallback: bool = False


def edges(loaded: Loaded) -> list[Edge]:
    """Return every arrow of a configuration, in the order of its files."""
    return [edge for route in loaded.routes for edge in _of_route(route)]


def draw(loaded: Loaded, form: str) -> str:
    """Return the picture as text; `form` is `mermaid` or `dot`."""
    found = edges(loaded)
    return _dot(found) if form == "dot" else _mermaid(found)


def _of_route(route: LoadedRoute) -> Iterator[Edge]:
    here = ("route", route.name)
    for door in route.config.doors:
        yield Edge(("door", door.listener), here, door.selector)
    for entry in route.config.to:
        if isinstance(entry, ToRoute):
            yield Edge(here, ("route", entry.route), _condition(entry.when))
        elif isinstance(entry, OneOf):
            for each in entry.one_of:
                yield from _to(here, each, "otherwise" if each.otherwise else _condition(each.when))
        elif isinstance(entry, ToSubscribers):
            for subscriber in entry.found:
                yield from _to(here, subscriber.destination, f"subscribed: {entry.subscribers}")
        else:
            yield from _to(here, entry, _condition(entry.when))


def _to(here: tuple[str, str], destination: Destination, text: str) -> Iterator[Edge]:
    last = ("endpoint", str(destination.endpoint))
    yield Edge(here, last, text)
    if destination.fallback:
        for way in destination.fallback.to:
            following = ("endpoint", str(way.endpoint))
            yield Edge(last, following, "fallback", fallback=True)
            last = following


def _condition(when: str | None) -> str:
    return f"when {when}" if when else ""


def _mermaid(found: list[Edge]) -> str:
    shapes = {"door": '(["{}"])', "route": '["{}"]', "endpoint": '[("{}")]'}
    names = _names(found)
    lines = ["flowchart LR"]
    lines += [f"  {names[node]}{shapes[node[0]].format(_escaped(node[1]))}" for node in names]
    for edge in found:
        arrow = "-.->" if edge.fallback else "-->"
        text = f'|"{_escaped(edge.text)}"|' if edge.text else ""
        lines.append(f"  {names[edge.start]} {arrow}{text} {names[edge.end]}")
    return "\n".join(lines) + "\n"


def _dot(found: list[Edge]) -> str:
    shapes = {"door": "cds", "route": "box", "endpoint": "cylinder"}
    names = _names(found)
    lines = ["digraph passerelle {", "  rankdir=LR;"]
    lines += [
        f"  {name} [label={_quoted(node[1])}, shape={shapes[node[0]]}];" for node, name in names.items()
    ]
    for edge in found:
        style = ", style=dashed" if edge.fallback else ""
        lines.append(f"  {names[edge.start]} -> {names[edge.end]} [label={_quoted(edge.text)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _names(found: list[Edge]) -> dict[tuple[str, str], str]:
    nodes = dict.fromkeys(node for edge in found for node in (edge.start, edge.end))
    return {node: f"n{number}" for number, node in enumerate(nodes, 1)}


def _escaped(text: str) -> str:
    """Source: Mermaid, "Entity codes to escape characters"."""
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
