"""Which leaves of a message the event has: the message beside what is left of it when all that is read is taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.mapping.leaves import MISS, V2Leaf, read_leaf, v2_leaf_type
from engine.mapping.losses import MARKS, LossReport
from engine.mapping.rules import Definition, Leaf, V2Place
from engine.mapping.two_way import Complement, Side
from engine.mapping.v2.plans import MOST
from engine.mapping.v2.shapes import UNREAD
from engine.mapping.v2.side import V2Codec, V2Parts, V2Side
from engine.mapping.v2.walking import Key, Spot, leaves, spot_of


@dataclass(frozen=True, slots=True)
class _Outlined:
    """What all messages of one outline have in common: the report, and the leaves that a rule could not read.

    `told` has the reports with the reasons why it could not: those are few, whatever the values are.
    """

    report: LossReport
    doubtful: tuple[Spot, ...]
    told: dict[tuple[str, ...], LossReport] = field(default_factory=dict)


class V2Format(Side):
    """The v2 side as a mapper has it, with its report."""

    def __init__(self, definition: Definition, codec: V2Codec) -> None:
        self._definition = definition
        self._codec = codec
        self._side = V2Side(definition, codec)
        self._rules: dict[tuple[str, int, int, int], list[Leaf]] = {}
        self._known: dict[str, _Outlined] = {}
        self._kinds: dict[int, V2Leaf] = {}
        for scope in definition.scope.walk():
            for leaf in scope.leaves:
                for place in (*leaf.v2, *leaf.v2_also):
                    self._note(place, leaf)
            for many in scope.lists:
                if many.place is not None:
                    for leaf in many.scope.leaves:
                        for place in (*leaf.v2, *leaf.v2_also):
                            self._note(
                                V2Place(
                                    many.place.segment, many.place.field, place.component, place.subcomponent
                                ),
                                leaf,
                            )

    def _note(self, place: V2Place, leaf: Leaf) -> None:
        if place.segment:
            key = (place.segment, place.field, place.component, place.subcomponent)
            self._rules.setdefault(key, []).append(leaf)

    @property
    def source(self) -> str:
        """The generated functions, for those who look for a fault in them."""
        return self._side.program.source()

    def get(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement]:
        """Read a message; `zone` has no meaning here."""
        return self._side.get(root)

    def put(
        self, data: dict[str, Any], complement: Complement | None, zone: str, fresh: Callable[[], str] | None
    ) -> Any:
        """Write a message; `zone` has no meaning here."""
        return self._side.put(data, complement, fresh)

    def said_by_creation(self) -> dict[str, Any]:
        """Return what the event would have from the text alone that new messages begin with: it must be nothing."""
        parts = self._codec.parts_of(self._definition.create, "", "", "", "")
        return self._side.read(parts)[0]

    def read(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement, Callable[[], LossReport]]:
        """Read a message; the report is what its reading told by the way, where plans read it."""
        parts = self._codec.take_apart(root)
        data, complement, outline = self._side.read(parts)
        return data, complement, lambda: self._report(parts, outline())

    def report(self, root: Any) -> LossReport:
        """Return what of a message is mapped: that is only outlined, so that most leaves are not looked at."""
        parts = self._codec.take_apart(root)
        return self._report(parts, self._side.read(parts)[2]())

    def _report(self, parts: V2Parts, outline: str | None) -> LossReport:
        if outline is None:
            return self._listed(parts)
        known = self._known.get(outline)
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[outline] = self._outlined(parts.texts, outline)
        if not known.doubtful:
            return known.report
        texts, marks = parts.texts, parts.marks
        whys = tuple([self._why(spot.raw(texts, marks), spot.key, marks) for spot in known.doubtful])
        report = known.told.get(whys)
        if report is None:
            paths = (spot.path for spot in known.doubtful)
            report = replace(known.report, warnings=tuple(zip(paths, whys, strict=True)))
            known.told[whys] = report
        return report

    def _outlined(self, texts: Sequence[str], outline: str) -> _Outlined:
        """Return the report of all messages of one outline; why a rule could not read a leaf is for each to tell."""
        found = leaves(texts, outline.split("\r"), MARKS, wanted=UNREAD)
        others = [(path, key) for path, key, _, letter in found if letter == UNREAD]
        opaque, dropped = self._sorted_out(others)
        doubtful = tuple(spot_of(path, key, texts) for path, key in opaque if key in self._rules)
        paths = tuple(path for path, _ in opaque)
        return _Outlined(LossReport((), paths, dropped, (), outline), doubtful)

    def _listed(self, parts: V2Parts) -> LossReport:
        """Return the report of a message in other delimiters, or of one that holds the hole."""
        rest, hole = self._side.forced(parts)
        found = list(leaves(parts.texts, rest, parts.marks))
        mapped = tuple(path for path, _, raw, left in found if left == hole and raw != left)
        raws = {path: raw for path, _, raw, left in found if left != hole or raw == left}
        others = [(path, key) for path, key, _, _ in found if path in raws]
        opaque, dropped = self._sorted_out(others)
        warnings = tuple(
            (path, self._why(raws[path], key, parts.marks)) for path, key in opaque if key in self._rules
        )
        return LossReport(mapped, tuple(path for path, _ in opaque), dropped, warnings)

    def _sorted_out(
        self, others: Sequence[tuple[str, Key]]
    ) -> tuple[list[tuple[str, Key]], tuple[tuple[str, str], ...]]:
        """Return which leaves that the event lacks are in the complement only, and which are dropped and why."""
        opaque: list[tuple[str, Key]] = []
        dropped: list[tuple[str, str]] = []
        reasons = dict(self._definition.drop)
        for path, key in others:
            reason = _reason(reasons, path, key) if reasons else None
            if reason is None:
                opaque.append((path, key))
            else:
                dropped.append((path, reason))
        return opaque, tuple(dropped)

    def _why(self, raw: str, key: Key, marks: Any) -> str:
        """Return why a leaf that some rule names is not in the event."""
        rules = self._rules[key]
        for leaf in rules:
            kind = self._kinds.get(id(leaf))
            if kind is None:
                kind = self._kinds[id(leaf)] = v2_leaf_type(leaf)
            if read_leaf(raw, kind, marks) is MISS:
                return (
                    f"not in table {leaf.table.name}"
                    if leaf.table is not None
                    else f"not of type {leaf.kind}"
                )
        if len(rules[0].v2) + len(rules[0].v2_also) > 1:
            return f"says something else than {rules[0].v2[0]}"
        return "stands where the rule does not look: a further repetition or segment, or another condition"


def _reason(reasons: Mapping[str, str], path: str, key: tuple[str, int, int, int]) -> str | None:
    segment, field, component, subcomponent = key
    names = (
        path,
        segment,
        f"{segment}-{field}",
        f"{segment}-{field}.{component}",
        f"{segment}-{field}.{component}.{subcomponent}",
    )
    return next((reasons[name] for name in names if name in reasons), None)


def leaves_of_message(root: Any, codec: V2Codec) -> dict[str, str]:
    """Return path -> raw text of every leaf of a message that is not empty."""
    parts = codec.take_apart(root)
    return {path: raw for path, _, raw, _ in leaves(parts.texts, parts.texts, parts.marks)}
