"""Plans: functions made for the shapes that a mapper's messages have, each when it was seen twice.

A hospital's messages have few shapes, and a mapper's rules are many. So a message is read by what it holds: the text of
a segment without its values is the key of a function that was made for it. What has no plan (a shape seen once, an
escape, a null) goes through the general functions, which know all rules. Plans hold no values but codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.mapping.leaves import Marks
from engine.mapping.rules import Path, Scope
from engine.mapping.v2.emitting import V2Program
from engine.mapping.v2.facts import Fact, Facts, Node, Rules, Unplannable, rules_of
from engine.mapping.v2.shapes import Cell, Layout, layout_of
from engine.mapping.v2.structure import Context
from engine.mapping.writing_code import Code

Plan = Callable[..., Any]
"""What a plan returns hangs on the direction; None where only the general functions can tell."""
MOST: Final = 2_000
"""Shapes that a mapper remembers in each direction; then it begins anew."""
_MOST_VARIANTS: Final = 64
"""Plans of one shape: codes on which its conditions hang."""
_SEEN: Final = 2
"""Which time that a shape is seen makes its plan; the first time where the general function is not made either."""


@dataclass(slots=True)
class Known:
    """One shape: how often it was seen, and where the values stand on which its conditions hang."""

    layout: Layout
    seen: int = 0
    places: tuple[Any, ...] = ()
    plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)


def never(*given: object) -> None:
    """Plan nothing: the general functions have to do it."""


@dataclass(slots=True)
class Shelf:
    """The plans of one kind of group by segment and shape; `tables` is what is looked into for each segment."""

    context: Context
    rules: Rules
    sources: dict[Path, set[str]]
    tables: dict[str, dict[bytes, Plan]]
    known: dict[tuple[str, bytes], Known] = field(default_factory=dict)

    def owned(self, segment: str) -> Callable[[Path], bool]:
        """Return the function that says whether only one segment fills an object."""
        return lambda path: self.sources.get(path, set()) <= {segment}


def shelf_of(context: Context, scope: Scope) -> Shelf:
    """Return an empty shelf; `scope` is the context's, compacted."""
    tables: dict[str, dict[bytes, Plan]] = {name: {} for name in context.members}
    return Shelf(context, rules_of(scope), _sources(scope), tables)


def _sources(scope: Scope) -> dict[Path, set[str]]:
    """Return for each object which segments fill it; a group, or no segment at all, counts as one of its own."""
    found: dict[Path, set[str]] = {}
    for leaf in scope.leaves:
        names = {place.segment for place in (*leaf.v2, *leaf.v2_also)} or {""}
        _note(found, leaf.path[:-1], names)
    for many in scope.lists:
        places = (*many.places, *([many.place] if many.place is not None else []))
        names = {place.segment for place in places} or {f"group {'.'.join(many.path)}"}
        _note(found, many.path if many.place is not None and not many.many else many.path[:-1], names)
    return found


def _note(found: dict[Path, set[str]], path: Path, names: Iterable[str]) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], set()).update(names)


def number_cell(context: Context, segment: str, layout: Layout) -> Cell | None:
    """Return what stands where a segment says which item it is."""
    number = context.many.number if context.many is not None else None
    if number is None or number.segment != segment:
        return None
    return layout.cell(number.index, number.component, number.subcomponent)


class Plans:
    """The plans of one mapper, for one direction; `general` is the letter of the general functions for it."""

    general = ""

    def __init__(self, name: str, program: V2Program) -> None:
        self._name = name
        self._program = program
        self.shelves: list[Shelf | None] = [None] * len(program.contexts)
        self._kinds = program.kinds
        self._count = 0
        self._code = Code(**self.names())

    def shelf(self, context: Context) -> Shelf:
        """Return the plans of one kind of group."""
        found = self.shelves[context.number]
        if found is None:
            found = self.shelves[context.number] = shelf_of(context, self._program.scope(context))
        return found

    def names(self) -> dict[str, Any]:
        """Return what generated functions call by name."""
        raise NotImplementedError

    def made(self, shelf: Shelf, segment: str, layout: Layout, top: Node, code: Code) -> str:
        """Add a plan to `code` and return its name; Unplannable where there can be none."""
        raise NotImplementedError

    def place(self, fact: Fact | None, node: Node, path: Path) -> Any:
        """Return where the leaf stands that a condition reads, None where it is certain that it has no value."""
        raise NotImplementedError

    def value_at(self, place: Any, values: Sequence[str], x: Any) -> Any:
        """Return what stands there; the plan's key."""
        raise NotImplementedError

    def meant(self, fact: Fact | None, value: Any, marks: Marks) -> Any:
        """Return the event's value of it, None for none."""
        raise NotImplementedError

    def learn(
        self, shelf: Shelf, segment: str, shape: bytes, values: Sequence[str], x: Any, marks: Marks
    ) -> Plan:
        """Note that a segment had no plan, and make one if this was not the first time; it is `never` if none was."""
        known = self._met(shelf, segment, shape)
        if known is None or tuple([self.value_at(place, values, x) for place in known.places]) in known.plans:
            return never
        asked: list[Any] = []

        def ask(fact: Fact | None, node: Node, path: Path) -> Any:
            place = self.place(fact, node, path)
            if place is None:
                return None
            asked.append(place)
            return self.meant(fact, self.value_at(place, values, x), marks)

        plan: Plan = never
        try:
            top = Facts(shelf.rules, segment, known.layout, self._kinds, ask).find()
            made = self.made(shelf, segment, known.layout, top, self._code)
            plan = self._code.flushed(self._name)(made)
        except Unplannable:
            self._code.drop()
        self._settle(known, asked)
        known.plans[tuple([self.value_at(place, values, x) for place in known.places])] = plan
        shelf.tables[segment][shape] = self.chosen(known)
        return plan

    def _met(self, shelf: Shelf, segment: str, shape: bytes) -> Known | None:
        known = shelf.known.get((segment, shape))
        if known is None:
            if self._count >= MOST:
                self._forget()
            self._count += 1
            known = shelf.known[segment, shape] = Known(layout_of(shape))
        known.seen += 1
        seldom = known.seen < _SEEN and f"{self.general}{shelf.context.number}" in self._program.made
        return None if seldom or len(known.plans) >= _MOST_VARIANTS else known

    def _settle(self, known: Known, asked: Sequence[Any]) -> None:
        """Make all that was asked part of the key; plans that were made for less are made again."""
        more = [one for one in dict.fromkeys(asked) if one not in known.places]
        if more:
            known.places = (*known.places, *more)
            known.plans.clear()

    def _forget(self) -> None:
        self._count = 0
        self._code = Code(**self.names())
        self.shelves = [None] * len(self.shelves)

    def chosen(self, known: Known) -> Plan:
        """Return a plan that chooses by the values on which conditions hang; it plans nothing for unknown ones."""
        places, plans, value_at = known.places, known.plans, self.value_at
        if not places:
            return plans[()]
        if len(places) == 1:
            (place,) = places

            def by_one(v: list[str], x: Any, n: str, s: Any, w: Any) -> Any:
                plan = plans.get((value_at(place, v, x),))
                return None if plan is None else plan(v, x, n, s, w)

            return by_one

        def by_several(v: list[str], x: Any, n: str, s: Any, w: Any) -> Any:
            plan = plans.get(tuple([value_at(place, v, x) for place in places]))
            return None if plan is None else plan(v, x, n, s, w)

        return by_several
