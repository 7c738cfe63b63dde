"""Which segment belongs to which group: contexts, compiled from the rules, and the walk over a message's segments.

Only names of segments decide, never values, so a message and its complement have the same structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.mapping.rules import HEADERS, Many, Scope, V2Place

MEMBER: Final = 0
START: Final = 1
JOIN: Final = 2


@dataclass(slots=True, eq=False)
class Context:
    """A place for segments: the message, or one kind of group.

    `actions` says for a segment's name: how many groups it closes, what it is there, and the child or anchor.
    `rank` orders segment names and groups (by number), for what has to be inserted.
    """

    number: int
    parent: Context | None
    scope: Scope
    many: Many | None = None
    members: list[str] = field(default_factory=list)
    children: list[Context] = field(default_factory=list)
    rank: dict[str | int, int] = field(default_factory=dict)
    actions: dict[str, tuple[int, int, Any]] = field(default_factory=dict)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The segments that begin an item; () for the message."""
        return self.many.anchors if self.many else ()


class Residue(list[str]):
    """A segment that no rule reads, whole."""

    __slots__ = ()


class Group:
    """The segments of one message, or of one item, in their order."""

    __slots__ = ("children", "context", "entries", "last", "members")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.entries: list[Any] = []
        self.members: dict[str, list[str]] = {}
        self.children: dict[int, list[Group]] = {}
        self.last = -1

    def insert(self, name: str, fields: list[str]) -> None:
        """Put a segment that was made where the mapper's order has it."""
        self.members[name] = fields
        self.entries.insert(self.place_for(self.context.rank[name]), fields)

    def place_for(self, rank: int) -> int:
        """Return where an entry of this rank goes: behind the last of its rank or a lower one."""
        ranks = self.context.rank
        place = 0
        for at, entry in enumerate(self.entries):
            if isinstance(entry, Group):
                known = ranks[entry.context.number]
            elif isinstance(entry, Residue):
                if place == at:
                    place = at + 1
                continue
            else:
                known = ranks.get(entry[0], 0)
            if known <= rank:
                place = at + 1
        return place


def contexts_of(scope: Scope, order: Sequence[str]) -> list[Context]:
    """Return the contexts of a mapper's rules, the message first."""
    found: list[Context] = []
    root = _context(scope, None, None, found)
    for context in found:
        _rank(context, order)
    for context in found:
        for name in {name for one in found for name in (*one.members, *one.anchors, *_until(one))}:
            action = _resolve(context, name)
            if action is not None:
                context.actions[name] = action
    return [root, *found[1:]]


def _until(context: Context) -> frozenset[str]:
    return context.many.until if context.many else frozenset()


def _context(scope: Scope, parent: Context | None, many: Many | None, found: list[Context]) -> Context:
    context = Context(len(found), parent, scope, many)
    found.append(context)
    names: list[str] = [*context.anchors]
    for place in places_of(scope, many):
        if place.segment and place.segment not in names:
            names.append(place.segment)
    context.members = names
    for inner in scope.lists:
        if inner.anchors:
            context.children.append(_context(inner.scope, context, inner, found))
    return context


def places_of(scope: Scope, many: Many | None = None) -> list[V2Place]:
    """Return the places of a scope's own segments, in the order of the rules."""
    places: list[V2Place] = [many.number] if many and many.number else []
    places += [place for leaf in scope.leaves for place in (*leaf.v2, *leaf.v2_also)]
    places += [inner.place for inner in scope.lists if inner.place is not None]
    places += [place for place, _ in scope.v2_constants]
    if many:
        places += [place for place, _ in many.v2_constants]
    return places


def _rank(context: Context, order: Sequence[str]) -> None:
    at: dict[str, int] = {}
    for number, name in enumerate(order):
        at.setdefault(name, number)
    names: list[tuple[float, int, str | int]] = []
    for number, name in enumerate(context.members):
        anchor = name in context.anchors
        names.append(
            (-1.0 if anchor or name in HEADERS else float(at.get(name, len(at) + number)), number, name)
        )
    for number, child in enumerate(context.children):
        first = min(at.get(name, len(at) + len(context.members) + number) for name in child.anchors)
        names.append((float(first), len(context.members) + number, child.number))
    entries = [name for _, _, name in sorted(names, key=lambda one: one[:2])]
    for rank, entry in enumerate(_before_takers(entries, context)):
        context.rank[entry] = rank


def _before_takers(entries: list[str | int], context: Context) -> list[str | int]:
    """Put what a group of this context would take for its own before that group."""
    children = {child.number: child for child in context.children}
    known = {number: _known(child) for number, child in children.items()}
    result: list[str | int] = []
    for entry in entries:
        own = set(children[entry].anchors) if isinstance(entry, int) else {entry}
        takers = [
            at for at, one in enumerate(result) if isinstance(one, int) and one != entry and own & known[one]
        ]
        result.insert(takers[0] if takers else len(result), entry)
    return result


def _known(context: Context) -> set[str]:
    """Return the segments that a group keeps: those of its rules and of its own groups, but what begins it."""
    found = set(context.members) - set(context.anchors)
    for child in context.children:
        found |= set(child.anchors) | _known(child)
    return found


def _resolve(context: Context, name: str) -> tuple[int, int, Any] | None:
    """Return what a segment of this name does where `context` is open."""
    for child in context.children:
        if name in child.anchors:
            return 0, START, child
    if name in context.anchors:
        above = _resolve_above(context, name)
        at = context.anchors.index(name)
        return (0, JOIN, (at, above)) if at else above
    if name in context.members:
        return 0, MEMBER, name
    return _resolve_above(context, name)


def _resolve_above(context: Context, name: str) -> tuple[int, int, Any] | None:
    if context.parent is None:
        return None
    above = _resolve(context.parent, name)
    if above is not None:
        return above[0] + 1, above[1], above[2]
    return (1, MEMBER, "") if name in _until(context) else None


def walk(texts: Sequence[str], root: Context, separator: str) -> tuple[Group, list[list[str]]]:
    """Return the message as groups, and all segments in order: fields where a rule may read them, else whole."""
    top = node = Group(root)
    flat: list[list[str]] = []
    open_groups = [top]
    for text in texts:
        name = text[:3]
        action = node.context.actions.get(name)
        if action is None or (text[3:4] != separator and len(text) != 3):
            residue = Residue((text,))
            node.entries.append(residue)
            flat.append(residue)
            continue
        ups, kind, argument = action
        if kind == JOIN:
            at, above = argument
            if at > open_groups[-1 - ups].last:
                open_groups[-1 - ups].last, kind, argument = at, MEMBER, name
            else:
                ups, kind, argument = ups + above[0], above[1], above[2]
        if ups:
            del open_groups[-ups:]
            node = open_groups[-1]
        if kind == START:
            child = Group(argument)
            child.last = argument.anchors.index(name)
            node.entries.append(child)
            node.children.setdefault(argument.number, []).append(child)
            node = child
            open_groups.append(node)
        if argument == "" or name in node.members:
            fields: list[str] = Residue((text,))
        else:
            fields = text.split(separator)
            node.members[name] = fields
        node.entries.append(fields)
        flat.append(fields)
    return top, flat


def flattened(group: Group, found: list[list[str]]) -> list[list[str]]:
    """Append the segments of a group in order; an item is kept apart from the one that it would run into."""
    before: Group | None = None
    for entry in group.entries:
        if not isinstance(entry, Group):
            found.append(entry)
            before = None
            continue
        first = _first_anchor(entry)
        if before is not None and before.context is entry.context and first > before.last:
            name = entry.context.anchors[0]
            entry.entries.insert(0, [name])
        flattened(entry, found)
        entry.last = _last_anchor(entry)
        before = entry
    return found


def _first_anchor(group: Group) -> int:
    return min((at for at, name in enumerate(group.context.anchors) if name in group.members), default=0)


def _last_anchor(group: Group) -> int:
    return max((at for at, name in enumerate(group.context.anchors) if name in group.members), default=0)
