"""Which leaves of a message the event has: the message beside what is left of it when all that is read is taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.mapping.leaves import MISS, read_leaf, v2_leaf_type
from engine.mapping.losses import LossReport
from engine.mapping.rules import HEADERS, Definition, Leaf, V2Place
from engine.mapping.two_way import Complement, Side
from engine.mapping.v2_side import V2Codec, V2Parts, V2Side


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
        """Return what of a message is mapped, by paths such as `PID-3[2].4.2` and `OBX[3]-5`."""
        parts = self._codec.take_apart(root)
        _, complement = self._side.read(parts, force=True)
        rest = self._codec.parts_of(complement["rest"], parts.lead, "", "", "")
        mapped: list[str] = []
        opaque: list[str] = []
        dropped: list[tuple[str, str]] = []
        warnings: list[tuple[str, str]] = []
        reasons = dict(self._definition.drop)
        for path, key, raw, left in _leaves(parts, rest):
            if left == complement["hole"] and raw != left:
                mapped.append(path)
                continue
            reason = _reason(reasons, path, key)
            if reason is not None:
                dropped.append((path, reason))
                continue
            opaque.append(path)
            if key in self._rules:
                warnings.append((path, _why(raw, self._rules[key], parts.marks)))
        return LossReport(tuple(mapped), tuple(opaque), tuple(dropped), tuple(warnings))


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


def _leaves(parts: V2Parts, rest: V2Parts) -> Iterator[tuple[str, tuple[str, int, int, int], str, str]]:
    """Yield (path, place, raw, what is left there) for every leaf that is not empty."""
    marks = parts.marks
    counts: dict[str, int] = {}
    for text, left in zip(parts.texts, rest.texts, strict=True):
        if not text:
            continue
        name = text[:3] if text[3:4] in (marks.field, "") else "?"
        counts[name] = counts.get(name, 0) + 1
        where = f"{name}[{counts[name]}]" if counts[name] > 1 else name
        fields = zip(text.split(marks.field), left.split(marks.field), strict=True)
        for index, (field, kept) in enumerate(fields):
            number = index + 1 if name in HEADERS else index
            if index and field and not (name in HEADERS and index == 1):
                yield from _in_field(name, f"{where}-{number}", number, field, kept, marks)


def _in_field(
    name: str, where: str, number: int, field: str, kept: str, marks: Any
) -> Iterator[tuple[str, tuple[str, int, int, int], str, str]]:
    repetitions = field.split(marks.repetition)
    others = kept.split(marks.repetition)
    if len(others) < len(repetitions):
        others = [kept] * len(repetitions)  # the whole field is one null
    for at, (repetition, other) in enumerate(zip(repetitions, others, strict=True), start=1):
        path = f"{where}[{at}]" if len(repetitions) > 1 else where
        components, kept_ones = repetition.split(marks.component), other.split(marks.component)
        for c, (component, one) in enumerate(zip(components, kept_ones, strict=True), start=1):
            subs, kept_subs = component.split(marks.subcomponent), one.split(marks.subcomponent)
            for s, (sub, left) in enumerate(zip(subs, kept_subs, strict=True), start=1):
                if sub:
                    tail = f".{c}.{s}" if len(subs) > 1 else f".{c}" if len(components) > 1 else ""
                    yield path + tail, (name, number, c, s), sub, left


def leaves_of_message(root: Any, codec: V2Codec) -> dict[str, str]:
    """Return path -> raw text of every leaf of a message that is not empty."""
    parts = codec.take_apart(root)
    return {path: raw for path, _, raw, _ in _leaves(parts, parts)}
