"""Reads a message's groups: by plan where their segments' shapes have one, else by the general functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.mapping.leaves import MISS, Marks, read_leaf
from engine.mapping.rules import Path
from engine.mapping.v2.cells import Wire, take_number
from engine.mapping.v2.emitting import V2Program
from engine.mapping.v2.facts import Fact, Node
from engine.mapping.v2.plan_taking import plan_names, taking_plan
from engine.mapping.v2.plans import Known, Plan, Plans, Shelf, number_cell
from engine.mapping.v2.shapes import Layout, Scan, outline_at, outlines_of
from engine.mapping.v2.spans import Span, spans, take_children
from engine.mapping.writing_code import Code

General = Callable[[Any, dict[str, Any], Wire], None]


class TakingPlans(Plans):
    """Plans that read; the key of one is its shape and the codes as they stand in the message."""

    general = "g"

    def names(self) -> dict[str, Any]:
        return plan_names()

    def made(self, shelf: Shelf, segment: str, layout: Layout, top: Node, code: Code) -> str:
        number = number_cell(shelf.context, segment, layout)
        return taking_plan(top, segment, layout, number, shelf.owned(segment), code)

    def place(self, fact: Fact | None, node: Node, path: Path) -> int | None:
        return None if fact is None else fact.cell.at

    def value_at(self, place: Any, values: Sequence[str], x: Any) -> Any:
        return values[place]

    def chosen(self, known: Known) -> Plan:
        if len(known.places) != 1:
            return super().chosen(known)
        place: int = known.places[0]
        plans = {value: plan for (value,), plan in known.plans.items()}

        def by_value(v: list[str], x: Any, n: str, s: Any, w: Wire) -> Any:
            plan = plans.get(v[place])
            return None if plan is None else plan(v, x, n, s, w)

        return by_value

    def meant(self, fact: Fact | None, value: Any, marks: Marks) -> Any:
        read = MISS if fact is None else read_leaf(value, fact.kind, marks)
        return None if read is MISS else read


class _Fields:
    """The segments of one group, cut into fields, as the general functions read them."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, list[str]]) -> None:
        self.members = members


class Reading:
    """One message that is read: `rest` is what is left of its segments."""

    __slots__ = ("_generals", "_outlines", "_plans", "_program", "_scan", "_texts", "_wire", "rest")

    def __init__(
        self, program: V2Program, plans: TakingPlans, texts: Sequence[str], scan: Scan | None, wire: Wire
    ) -> None:
        self._program = program
        self._plans = plans
        self._texts = texts
        self._scan = scan
        self._wire = wire
        self.rest = list(texts)
        self._outlines: dict[int, str] = {}
        self._generals: list[tuple[Span, str]] = []

    def read(self, data: dict[str, Any]) -> None:
        """Put what the message says into `data`."""
        self._group(spans(self._texts, self._program.root, self._wire.marks.field), data, "")

    def _group(self, span: Span, x: dict[str, Any], number: str) -> None:
        planned = self._scan is not None and self._planned(span, x, number, self._scan)
        fields = None if planned else self._general(span, x, self._wire)
        if span.children is not None:
            take_children(span, x, self._group)
        if fields is None and number and not x:
            fields = self._general(span, x, self._wire)  # a plan took the item's number, and there is no item
        if fields is not None:
            number = number if x else ""
            self._generals.append((span, number))
            for at, text in self._left(span, fields, number, self._wire):
                self.rest[at] = text

    def _planned(self, span: Span, x: dict[str, Any], number: str, scan: Scan) -> bool:
        context = span.context
        shelf = self._plans.shelves[context.number] or self._plans.shelf(context)
        tables, shapes, values, starts = shelf.tables, scan.shapes, scan.values, scan.starts
        given: set[int] | None = set() if shelf.rules.claims else None
        rest, outlines = self.rest, self._outlines
        for name, at in span.members.items():
            shape, raws = shapes[at], values[starts[at] : starts[at + 1]]
            plan = tables[name].get(shape)
            made = plan(raws, x, number, given, self._wire) if plan is not None else None
            if made is None:
                plan = self._plans.learn(shelf, name, shape, raws, None, self._wire.marks)
                made = plan(raws, x, number, given, self._wire)
                if made is None:
                    x.clear()
                    return False
            text, outline = made
            rest[at] = text if at else scan.head + text[3:]
            outlines[at] = outline if at else scan.head + outline[3:]
        return True

    def _general(self, span: Span, x: dict[str, Any], wire: Wire) -> _Fields:
        separator = wire.marks.field
        fields = _Fields({name: self._texts[at].split(separator) for name, at in span.members.items()})
        self._program.taking(span.context)(fields, x, wire)
        return fields

    def _left(self, span: Span, fields: _Fields, number: str, wire: Wire) -> list[tuple[int, str]]:
        """Return what is left of a group's segments, by their numbers; `number` is that of its item, "" for none."""
        many = span.context.many
        if number and many is not None and many.number is not None:
            take_number(fields.members, many.number, int(number), wire)
        join = wire.marks.field.join
        return [(at, join(fields.members[name])) for name, at in span.members.items()]

    def outline(self) -> str | None:
        """Return the message with `m` for each leaf that the event has and `o` for each other, None if not known."""
        scan = self._scan
        if scan is None:
            return None
        told = dict(self._outlines)
        for span, number in self._generals:
            told.update(self._outlined(span, number, scan.head))
        return "\r".join([told.get(at) or outline_at(scan, at, text) for at, text in enumerate(self._texts)])

    def _outlined(self, span: Span, number: str, head: str) -> dict[int, str]:
        """Return the outlines of a group's segments: they are read again, with a hole for all that the event has."""
        wire = replace(self._wire, simple=False, force=True)
        left = self._left(span, self._general(span, {}, wire), number, wire)
        texts = [text if at else f"MSH{text[len(head) :]}" for at, text in left]
        outlines = zip(left, outlines_of(texts), strict=True)
        return {at: outline if at else head + outline[3:] for (at, _), outline in outlines}
