"""Which leaves of a message the event has: the message beside what is left of it when all that is read is taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.mapping.leaves import MISS, read_leaf, v2_leaf_type
from engine.mapping.losses import LossReport
from engine.mapping.rules import Definition, Leaf, V2Place
from engine.mapping.two_way import Complement, Side
from engine.mapping.v2.shapes import outline_of
from engine.mapping.v2.side import V2Codec, V2Side
from engine.mapping.v2.walking import Key, leaves


class V2Format(Side):
    """The v2 side as a mapper has it, with its report."""

    def __init__(self, definition: Definition, codec: V2Codec) -> None:
        self._definition = definition
        self._codec = codec
        self._side = V2Side(definition, codec)
        self._rules: dict[tuple[str, int, int, int], list[Leaf]] = {}
        self._names: dict[str, str] = {}
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
        return self._side.read(parts, force=False)[0]

    def report(self, root: Any) -> LossReport:
        """Return what of a message is mapped: that is only outlined, so that most leaves are not looked at."""
        parts = self._codec.take_apart(root)
        rest, hole = self._side.forced(parts)
        outline = outline_of(parts.texts, rest, hole)
        if outline is None:
            found = leaves(parts.texts, rest, parts.marks)
            mapped = tuple(path for path, _, raw, left in found if left == hole and raw != left)
            found = leaves(parts.texts, rest, parts.marks)
            others = [(path, key, raw) for path, key, raw, left in found if left != hole or raw == left]
            return self._told(mapped, others, parts.marks, "")
        found = leaves(parts.texts, outline, parts.marks, wanted="o")
        others = [(path, key, raw) for path, key, raw, letter in found if letter == "o"]
        return self._told((), others, parts.marks, "\r".join(outline))

    def _told(
        self, mapped: tuple[str, ...], others: Sequence[tuple[str, Key, str]], marks: Any, outline: str
    ) -> LossReport:
        opaque: list[str] = []
        dropped: list[tuple[str, str]] = []
        warnings: list[tuple[str, str]] = []
        reasons = dict(self._definition.drop)
        for path, key, raw in others:
            reason = _reason(reasons, path, key) if reasons else None
            if reason is not None:
                dropped.append((path, reason))
                continue
            opaque.append(path)
            if key in self._rules:
                warnings.append((path, _why(raw, self._rules[key], marks)))
        return LossReport(mapped, tuple(opaque), tuple(dropped), tuple(warnings), outline)


def _why(raw: str, rules: list[Leaf], marks: Any) -> str:
    for leaf in rules:
        if read_leaf(raw, v2_leaf_type(leaf), marks) is MISS:
            return f"not in table {leaf.table.name}" if leaf.table is not None else f"not of type {leaf.kind}"
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
