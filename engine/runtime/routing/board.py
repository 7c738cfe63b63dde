"""What is current: doors with their compiled routes, partners and tables, replaced as a whole by a reload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.partners.directory import Directory
from engine.runtime.routing.program import Program
from engine.runtime.sending.policy import Policies

NO_ROUTES: Sequence[CompiledRoute] = ()


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """One route, compiled for each codec in which it makes sense."""

    name: str
    version: str
    programs: Mapping[str, Program]

    def program(self, codec: str) -> Program | None:
        """Return the program for messages of this codec, None where the route cannot read them."""
        return self.programs.get(codec)


@dataclass(frozen=True, slots=True)
class Door:
    """One listener as the intake sees it.

    `partner` is who every message of it comes from, where the peer does not prove who it is. `filters` accepts and
    counts what no route takes, instead of refusing it. `refuses_collisions` turns a known id with another body away.
    `ordered` gives routes without an ordering key one per partner and listener. `routes` are by selector.
    """

    listener: str
    partner: str | None = None
    filters: bool = False
    refuses_collisions: bool = False
    ordered: bool = False
    dedupe_ms: int = 0
    routes: Mapping[str, Sequence[CompiledRoute]] = field(default_factory=dict)

    def at(self, selector: str) -> Sequence[CompiledRoute]:
        """Return the routes that take messages at a selector of this listener."""
        return self.routes.get(selector, NO_ROUTES)


@dataclass(frozen=True, slots=True)
class Board:
    """One configuration, compiled.

    `remembers` says that one of its destinations keeps values of answers, `maps_back` that one of its routes may ask
    for what a mapper left of an earlier message.
    """

    doors: Mapping[str, Door]
    routes: Mapping[str, CompiledRoute]
    directory: Directory
    tables: Mapping[str, Mapping[str, str]]
    policies: Policies
    remembers: bool = False
    maps_back: bool = False


class Current:
    """Holds the board of the moment; whoever decides about one message reads it once."""

    def __init__(self, board: Board) -> None:
        self.board = board
