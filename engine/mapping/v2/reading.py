"""Reads a message's groups: by plan where their segments' shapes have one, else by the general functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.mapping.leaves import MISS, Marks, read_leaf
from engine.mapping.rules import Path
from engine.mapping.v2.cells import Wire, take_number
from engine.mapping.v2.emitting import V2Program
from engine.mapping.v2.facts import Fact, Node
from engine.mapping.v2.plan_taking import plan_names, taking_plan
from engine.mapping.v2.plans import Known, Plan, Plans, Shelf, number_cell
from engine.mapping.v2.shapes import Layout, Scan
from engine.mapping.v2.spans import Span, spans, take_children
from engine.mapping.writing_code import Code

General = Callable[[Any, dict[str, Any], Wire], None]


class TakingPlans(Plans):
    """Plans that read; the key of one is its shape and the codes as they stand in the message."""

    general = "g"
    forced = False

    def names(self) -> dict[str, Any]:
        return plan_names()

    def made(self, shelf: Shelf, segment: str, layout: Layout, top: Node, code: Code) -> str:
        number = number_cell(shelf.context, segment, layout)
        return taking_plan(top, segment, layout, number, shelf.owned(segment), code, forced=self.forced)

    def place(self, fact: Fact | None, node: Node, path: Path) -> int | None:
        return None if fact is None else fact.cell.at

    def value_at(self, place: Any, values: Sequence[str], x: Any) -> Any:
        return values[place]

    def chosen(self, known: Known) -> Plan:
        if len(known.places) != 1:
            return super().chosen(known)
        place: int = known.places[0]
        plans = {value: plan for (value,), plan in known.plans.items()}

        def by_value(v: list[str], x: Any, n: str, s: Any, w: Wire) -> str | None:
            plan = plans.get(v[place])
            return None if plan is None else plan(v, x, n, s, w)

        return by_value

    def meant(self, fact: Fact | None, value: Any, marks: Marks) -> Any:
        read = MISS if fact is None else read_leaf(value, fact.kind, marks)
        return None if read is MISS else read


class ForcingPlans(TakingPlans):
    """Plans that make a hole of all that they read, for the loss report."""

    forced = True


class _Fields:
    """The segments of one group, cut into fields, as the general functions read them."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, list[str]]) -> None:
        self.members = members


class Reading:
    """One message that is read: `rest` is what is left of its segments."""

    __slots__ = ("_plans", "_program", "_scan", "_texts", "_wire", "rest")

    def __init__(
        self, program: V2Program, plans: TakingPlans, texts: Sequence[str], scan: Scan | None, wire: Wire
    ) -> None:
        self._program = program
        self._plans = plans
        self._texts = texts
        self._scan = scan
        self._wire = wire
        self.rest = list(texts)

    def read(self, data: dict[str, Any]) -> None:
        """Put what the message says into `data`."""
        self._group(spans(self._texts, self._program.root, self._wire.marks.field), data, "")

    def _group(self, span: Span, x: dict[str, Any], number: str) -> None:
        planned = self._scan is not None and self._planned(span, x, number, self._scan)
        fields = None if planned else self._general(span, x)
        if span.children is not None:
            take_children(span, x, self._group)
        if fields is None and number and not x:
            fields = self._general(span, x)  # a plan took the item's number, and there is no item
        if fields is not None:
            self._keep(span, fields, x, number)

    def _planned(self, span: Span, x: dict[str, Any], number: str, scan: Scan) -> bool:
        context = span.context
        shelf = self._plans.shelves[context.number] or self._plans.shelf(context)
        tables, shapes, values, starts = shelf.tables, scan.shapes, scan.values, scan.starts
        given: set[int] | None = set() if shelf.rules.claims else None
        for name, at in span.members.items():
            shape, raws = shapes[at], values[starts[at] : starts[at + 1]]
            plan = tables[name].get(shape)
            text = plan(raws, x, number, given, self._wire) if plan is not None else None
            if text is None:
                plan = self._plans.learn(shelf, name, shape, raws, None, self._wire.marks)
                text = plan(raws, x, number, given, self._wire)
                if text is None:
                    x.clear()
                    return False
            self.rest[at] = text if at else scan.head + text[3:]
        return True

    def _general(self, span: Span, x: dict[str, Any]) -> _Fields:
        separator = self._wire.marks.field
        fields = _Fields({name: self._texts[at].split(separator) for name, at in span.members.items()})
        self._program.taking(span.context)(fields, x, self._wire)
        return fields

    def _keep(self, span: Span, fields: _Fields, x: dict[str, Any], number: str) -> None:
        many = span.context.many
        if x and number and many is not None and many.number is not None:
            take_number(fields.members, many.number, int(number), self._wire)
        join = self._wire.marks.field.join
        for name, at in span.members.items():
            self.rest[at] = join(fields.members[name])
