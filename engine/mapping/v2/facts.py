"""What the cells of one shape say by a mapper's rules: the leaves that are there, in the objects that hold them.

This is where a plan begins. Rules whose places are empty leave no trace; conditions are decided once, by the value of
the leaf that they ask for, which therefore belongs to the plan's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from engine.mapping.leaves import V2Leaf
from engine.mapping.rules import PRESENT_CODE, Leaf, Many, Path, Scope, V2Place, When
from engine.mapping.v2.emitting_shared import is_late, weight
from engine.mapping.v2.shapes import Cell, Field, Layout, cell_of


class Unplannable(Exception):
    """A shape that only the general functions can read or write."""


@dataclass(slots=True, eq=False)
class Fact:
    """One leaf that is there.

    `claim` is the number of the alternate that it belongs to, -1 for none; `later`: this is not its first place.
    `nothing`: it is a list that is null.
    """

    key: str
    cell: Cell
    kind: V2Leaf
    pinned: bool
    claim: int = -1
    later: bool = False
    fresh: bool = False
    nothing: bool = False

    @property
    def plain(self) -> bool:
        """Whether a text that needs no escape is its own value."""
        return self.nothing or (self.kind.quick is None and not self.cell.odd)


@dataclass(slots=True, eq=False)
class Node:
    """One object: of the event, of a list, or the value of a list of values (`single`).

    `local` objects are of one field alone; `path` leads to the others from the group's object, `where` to every one.
    """

    path: Path
    facts: list[Fact] = field(default_factory=list)
    inner: dict[str, Node] = field(default_factory=dict)
    lists: dict[str, list[Node]] = field(default_factory=dict)
    single: bool = False
    claim: int = -1
    later: bool = False
    local: bool = False
    where: tuple[str | int, ...] = ()

    def at(self, path: Path) -> Node:
        """Return the object at a path below, made where it is not there."""
        node = self
        for key in path:
            node = node.inner.setdefault(
                key, Node((*node.path, key), local=node.local, where=(*node.where, key))
            )
        return node

    @property
    def keys(self) -> int:
        """How many keys the object has by this shape alone."""
        return len({fact.key for fact in self.facts}) + len(self.inner) + len(self.lists)

    def walk(self) -> Iterator[Node]:
        """Yield this object and all below."""
        yield self
        for node in self.inner.values():
            yield from node.walk()
        for items in self.lists.values():
            for item in items:
                yield from item.walk()


_EMPTY: Final[Field] = [[[None]]]
Ask = Callable[[Fact | None, Node, Path], Any]
"""Returns the event value of the leaf that a condition reads, None where it has none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one kind of group, by segment, those first that conditions of others may read.

    `claims` numbers what may stand in several segments, by its places.
    """

    scope: Scope
    claims: dict[tuple[V2Place, ...], int]
    segments: dict[str, list[Leaf | Many]]


def rules_of(scope: Scope) -> Rules:
    """Return a scope's rules with its alternates numbered."""
    claims: dict[tuple[V2Place, ...], int] = {}
    for leaf in scope.leaves:
        if leaf.together:
            claims.setdefault(leaf.together, len(claims))
        elif is_late(leaf) and _spread(leaf.v2 + leaf.v2_also):
            claims.setdefault((*leaf.v2, *leaf.v2_also, V2Place(".".join(leaf.path), 0)), len(claims))
    for many in scope.lists:
        if len(many.places) > 1:
            claims.setdefault((*many.places, V2Place(".".join(many.path), 0)), len(claims))
    segments: dict[str, list[Leaf | Many]] = {}
    rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
    for rule in sorted(rules, key=lambda one: weight(one.when)):
        if isinstance(rule, Leaf):
            places = rule.v2 + rule.v2_also
        else:
            places = rule.places or ((rule.place,) if rule.place is not None else ())
        for name in dict.fromkeys(place.segment for place in places):
            segments.setdefault(name, []).append(rule)
    return Rules(scope, claims, segments)


def _spread(places: tuple[V2Place, ...]) -> bool:
    return len({place.segment for place in places}) > 1


class Facts:
    """Finds what one shape says."""

    def __init__(
        self, rules: Rules, segment: str, layout: Layout, kinds: Callable[[Leaf], V2Leaf], ask: Ask
    ) -> None:
        self._rules = rules
        self._segment = segment
        self._layout = layout
        self._kinds = kinds
        self._ask = ask
        self._taken: set[tuple[bool, int]] = set()
        self._shift = 1 if segment == "MSH" else 0

    def find(self) -> Node:
        """Return the object that the group is, with what this segment says of it.

        Raises:
            Unplannable: it has more than one of a leaf's places, or a condition asks another segment.
        """
        top = Node(())
        for rule in self._rules.segments.get(self._segment, ()):
            if isinstance(rule, Leaf):
                self._leaf(rule, top)
            else:
                self._many(rule, top)
        return top

    def _leaf(self, leaf: Leaf, top: Node) -> None:
        places = leaf.v2 + leaf.v2_also
        found = [(at, cell) for at, place in enumerate(places) if (cell := self._at(place)) is not None]
        if not found or (leaf.when is not None and not leaf.together and not self._holds(leaf.when, top)):
            return
        if len(found) > 1:
            raise Unplannable("two places of one leaf")
        at, cell = found[0]
        claim = -1
        if leaf.together:
            claim = self._rules.claims[leaf.together]
        elif _spread(places):
            claim = self._rules.claims[(*places, V2Place(".".join(leaf.path), 0))]
        self._add(top, leaf, cell, claim, later=at > 0)

    def _at(self, place: V2Place) -> Cell | None:
        if place.segment != self._segment:
            return None
        return self._layout.cell(place.index - self._shift, place.component, place.subcomponent)

    def _add(self, node: Node, leaf: Leaf, cell: Cell, claim: int = -1, *, later: bool = False) -> None:
        owner = node.at(leaf.path[:-1])
        key = leaf.path[-1]
        if (cell.hole, cell.at) in self._taken:
            if any(fact.key == key and fact.cell is cell for fact in owner.facts):
                return  # one leaf of two rules
            raise Unplannable("two leaves of one place")
        if any(fact.key == key for fact in owner.facts):
            raise Unplannable("two places of one leaf")
        self._taken.add((cell.hole, cell.at))
        pinned = "v2" in leaf.pinned
        owner.facts.append(
            Fact(
                key, cell, self._kinds(leaf), pinned, claim if later or claim >= 0 else -1, later, leaf.fresh
            )
        )

    def _many(self, many: Many, top: Node) -> None:
        places = many.places if len(many.places) > 1 else (many.place,)
        found = [
            (at, cells)
            for at, place in enumerate(places)
            if place is not None and (cells := self._field(place)) is not None
        ]
        if not found or (many.when is not None and not self._holds(many.when, top)):
            return
        if len(found) > 1 or many.scope.lists:
            raise Unplannable("two places of one object, or a list in a list")
        at, cells = found[0]
        if many.many and (cell := _lone(cells)) is not None and cell.null:
            self._taken.add((False, cell.at))
            kind = self._kinds(many.scope.leaves[0])
            top.at(many.path[:-1]).facts.append(Fact(many.path[-1], cell, kind, False, nothing=True))
            return
        items = self._items(many, cells)
        if not items:
            return
        owner = top.at(many.path[:-1])
        key = many.path[-1]
        if key in owner.inner or key in owner.lists:
            raise Unplannable("two fields of one object")
        if many.many:
            owner.lists[key] = items
            return
        if len(many.places) > 1:
            items[0].claim = self._rules.claims[(*many.places, V2Place(".".join(many.path), 0))]
            items[0].later = at > 0
        items[0].path, items[0].local = many.path, False
        owner.inner[key] = items[0]

    def _field(self, place: V2Place) -> Field | None:
        at = place.index - self._shift
        if place.segment != self._segment or at >= len(self._layout.fields):
            return None
        found = self._layout.fields[at]
        return None if found == _EMPTY else found

    def _items(self, many: Many, cells: Field) -> list[Node]:
        found: list[Node] = []
        for repetition in range(len(cells) if many.many else 1):
            where: tuple[str | int, ...] = (*many.path, len(found)) if many.many else many.path
            item = Node((), single=many.plain, local=True, where=where)
            for leaf in sorted(many.scope.leaves, key=lambda one: weight(one.when)):
                self._cell(item, leaf, cells, repetition, many.scope)
            if item.facts or item.inner:
                found.append(item)
        return found

    def _cell(self, item: Node, leaf: Leaf, cells: Field, repetition: int, scope: Scope) -> None:
        found = [
            cell
            for place in (*leaf.v2, *leaf.v2_also)
            if (cell := cell_of(cells, repetition, place.component, place.subcomponent)) is not None
        ]
        if not found or (leaf.when is not None and not self._holds(leaf.when, item, scope, local=True)):
            return
        if len(found) > 1:
            raise Unplannable("two places of one leaf")
        self._add(item, leaf, found[0])

    def _holds(self, when: When, node: Node, scope: Scope | None = None, *, local: bool = False) -> bool:
        for path, codes in when.tests:
            rules = [leaf for leaf in (scope or self._rules.scope).leaves if leaf.path == path]
            places = {place.segment for leaf in rules for place in (*leaf.v2, *leaf.v2_also)}
            if not rules or (not local and places != {self._segment}):
                raise Unplannable("a condition that asks another segment")
            value = self._ask(_fact_at(node, path), node, path)
            if not (value in codes or (PRESENT_CODE in codes and value is not None)):
                return False
        return True


def _lone(field: Field) -> Cell | None:
    """Return what is all of a field, None where it has parts."""
    return field[0][0][0] if len(field) == len(field[0]) == len(field[0][0]) == 1 else None


def _fact_at(node: Node, path: Path) -> Fact | None:
    for key in path[:-1]:
        inner = node.inner.get(key)
        if inner is None:
            return None
        node = inner
    return next((fact for fact in node.facts if fact.key == path[-1]), None)
