"""Writes an event into what is left of its message: by plan where the event has just what the holes ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.leaves import NULL, BadValue, Marks
from engine.mapping.rules import Path
from engine.mapping.v2.cells import Wire
from engine.mapping.v2.emitting import V2Program
from engine.mapping.v2.facts import Fact, Node
from engine.mapping.v2.plan_giving import Counters, giving_names, giving_plan
from engine.mapping.v2.plans import Known, Plan, Plans, Shelf, number_cell
from engine.mapping.v2.shapes import Layout, Scan, divides, scanned_rest, stands
from engine.mapping.v2.spans import Span, holds, spans
from engine.mapping.v2.structure import Context
from engine.mapping.writing_code import Code

_NOTHING: Final[dict[str, Any]] = {}
_NO_GROUPS: Final[Mapping[int, Sequence[Span]]] = {}


@dataclass(frozen=True, slots=True)
class _Shared:
    """Objects that several segments fill: where each is counted, and its keys that no plan counts."""

    objects: Sequence[tuple[int, Path, frozenset[str]]]
    size: int


def _shared_of(shelf: Shelf) -> _Shared:
    paths: list[Path] = [()]
    scope = shelf.rules.scope
    alternates = {many.path for many in scope.lists if len(many.places) > 1}
    for path, names in shelf.sources.items():
        if (len(names) > 1 or not names <= set(shelf.tables)) and path not in alternates:
            paths.append(path)
    other = {many.path for many in scope.lists if many.place is None}
    other |= {leaf.path for leaf in scope.leaves if not leaf.v2 and not leaf.v2_also}
    other |= set(paths)
    found = [
        (at, path, frozenset(one[-1] for one in other if one[:-1] == path and one))
        for at, path in enumerate(paths)
    ]
    return _Shared(found, len(paths))


class GivingPlans(Plans):
    """Plans that write; the key of one is its shape and the event's values on which conditions hang."""

    general = "p"

    def __init__(self, name: str, program: V2Program) -> None:
        super().__init__(name, program)
        self.known: list[_Shared | None] = [None] * len(program.contexts)

    def shared(self, shelf: Shelf) -> _Shared:
        """Return the objects of a group that several of its segments fill."""
        found = self.known[shelf.context.number]
        if found is None:
            found = self.known[shelf.context.number] = _shared_of(shelf)
        return found

    def names(self) -> dict[str, Any]:
        return giving_names()

    def made(self, shelf: Shelf, segment: str, layout: Layout, top: Node, code: Code) -> str:
        shared = self.shared(shelf)
        counters = Counters({path: at for at, path, _ in shared.objects}, shared.size)
        fresh = any(
            leaf.fresh and any(place.segment == segment for place in leaf.v2)
            for leaf in shelf.rules.scope.leaves
        ) and not any(fact.fresh for node in top.walk() for fact in node.facts)
        number = number_cell(shelf.context, segment, layout)
        return giving_plan(top, segment, layout, number, counters, fresh, code)

    def place(self, fact: Fact | None, node: Node, path: Path) -> tuple[str | int, ...]:
        return (*node.where, *path)

    def value_at(self, place: Any, values: Sequence[str], x: Any) -> Any:
        for step in place:
            if isinstance(x, dict):
                x = x.get(step)
            elif isinstance(x, list) and isinstance(step, int) and step < len(x):
                x = x[step]
            else:
                return None
        return x

    def chosen(self, known: Known) -> Plan:
        if len(known.places) != 1 or len(known.places[0]) != 1:
            return super().chosen(known)
        ((key,),) = known.places
        plans = {value: plan for (value,), plan in known.plans.items()}

        def by_leaf(r: list[str], x: Any, n: str, s: Any, w: Wire) -> str | None:
            plan = plans.get(x.get(key))
            return None if plan is None else plan(r, x, n, s, w)

        return by_leaf

    def meant(self, fact: Fact | None, value: Any, marks: Marks) -> Any:
        return value


def written(
    texts: Sequence[str], root: Context, plans: GivingPlans, data: dict[str, Any], wire: Wire
) -> list[str] | None:
    """Return the segments of event data written into what is left of a message, the segments `texts`.

    None where only the general functions can tell: the event has leaves for which there is no hole, or the other way
    round, or a value has to be escaped.
    """
    scan = scanned_rest(texts)
    if scan is None:
        return None
    top, rest = spans(texts, root, "|"), "\r".join(texts)
    try:
        made = _written(texts, scan, top, plans, data, wire)
        if made is None or (divides(text := "\r".join(made), rest) and stands(text, rest, scan.head)):
            return made
        made = _written(texts, scan, top, plans, escaped(data, wire.marks.write), wire)
    except (BadValue, LookupError, TypeError, AttributeError, ValueError):
        return None
    return made if made is not None and divides("\r".join(made), rest) else None


def _written(
    texts: Sequence[str], scan: Scan, top: Span, plans: GivingPlans, data: dict[str, Any], wire: Wire
) -> list[str] | None:
    writing = _Writing(texts, scan, plans, wire)
    whole = writing.group(top, data, "")
    return writing.made if whole and not writing.lacking else None


def escaped(data: Any, write: Callable[[str], str]) -> Any:
    """Return event data with all texts as a message has them; null is two quotes."""
    if isinstance(data, str):
        return write(data)
    if isinstance(data, dict):
        return {key: escaped(value, write) for key, value in data.items()}
    if isinstance(data, list):
        return [escaped(value, write) for value in data]
    return NULL if data is None else data


class _Writing:
    __slots__ = ("_plans", "_scan", "_wire", "lacking", "made")

    def __init__(self, texts: Sequence[str], scan: Scan, plans: GivingPlans, wire: Wire) -> None:
        self._scan = scan
        self._plans = plans
        self._wire = wire
        self.made = list(texts)
        self.lacking = False

    def group(self, span: Span, x: Any, number: str) -> bool:
        """Write one group; False where the event does not hold what is missing in it."""
        context = span.context
        shelf = self._plans.shelves[context.number] or self._plans.shelf(context)
        shared = self._plans.known[context.number] or self._plans.shared(shelf)
        counts = [0] * (shared.size + len(shelf.rules.claims))
        tables, shapes, starts, values = shelf.tables, self._scan.shapes, self._scan.starts, self._scan.values
        for name, at in span.members.items():
            plan = tables[name].get(shapes[at])
            raws = values[starts[at] : starts[at + 1]]
            text = plan(raws, x, number, counts, self._wire) if plan is not None else None
            if text is None:
                plan = self._plans.learn(shelf, name, shapes[at], raws, x, self._wire.marks)
                text = plan(raws, x, number, counts, self._wire)
                if text is None:
                    self.lacking = True
                    continue
            self.made[at] = text if at else self._scan.head + text[3:]
        if not self.lacking and not _counted(x, counts, shared):
            return False
        return not context.children or self._groups(span, x)

    def _groups(self, span: Span, x: Any) -> bool:
        children: Mapping[int, Sequence[Span]] = span.children or _NO_GROUPS
        for context in span.context.children:
            many = context.many
            groups = children.get(context.number, ())
            if many is None:
                continue
            items = x
            for key in many.path:
                items = items.get(key, _NOTHING)
            if not many.many:
                items, groups = [items] if items else [], groups[:1]
            if len(items) != len(groups) or (groups and many.when is not None and not holds(many.when, x)):
                return False
            for at, group in enumerate(groups):
                if not self.group(group, items[at], str(at + 1)):
                    return False
        return True


def _counted(x: Any, counts: Sequence[int], shared: _Shared) -> bool:
    """Say whether all keys of objects that several segments share were written."""
    for at, path, others in shared.objects:
        owner = x
        for key in path:
            owner = owner.get(key, _NOTHING)
        told = len(others & owner.keys()) if others else 0
        if len(owner) != counts[at] + told:
            return False
    return True
