"""Every leaf of a message with its path, such as `PID-3[2].4.2`, beside what another text has in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.mapping.rules import HEADERS

Key = tuple[str, int, int, int]
"""Segment, field, component, subcomponent."""


_PATH: Final = re.compile(r"[^[-]+(?:\[(?P<segment>\d+)\])?-\d+(?:\[(?P<repetition>\d+)\])?.*")


class Dividers(Protocol):
    """The delimiters that divide a message."""

    @property
    def field(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def repetition(self) -> str: ...
    @property
    def subcomponent(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a leaf stands in the messages of one outline: the numbers of its segment, field, ..., from 0."""

    path: str
    key: Key
    segment: int
    field: int
    repetition: int

    def raw(self, texts: Sequence[str], marks: Dividers) -> str:
        """Return the leaf's text in such a message."""
        _, _, component, subcomponent = self.key
        field = texts[self.segment].split(marks.field)[self.field]
        parts = field.split(marks.repetition)[self.repetition].split(marks.component)
        return parts[component - 1].split(marks.subcomponent)[subcomponent - 1]


def spot_of(path: str, key: Key, texts: Sequence[str]) -> Spot:
    """Return where the leaf of a path that `leaves` gave stands; its segment has a name of three characters."""
    name, number, _, _ = key
    found = _PATH.fullmatch(path)
    assert found is not None, "it was made there"
    of_that_name = [at for at, text in enumerate(texts) if text[:3] == name and text[3:4] in ("|", "")]
    segment = of_that_name[int(found["segment"] or 1) - 1]
    return Spot(
        path, key, segment, number - 1 if name in HEADERS else number, int(found["repetition"] or 1) - 1
    )


def leaves(
    texts: Sequence[str], others: Sequence[str], marks: Dividers, *, wanted: str = ""
) -> Iterator[tuple[str, Key, str, str]]:
    """Yield (path, place, raw, what the other text has there) for every leaf that is not empty.

    `others` are the same segments with other leaves; fields that lack `wanted` there are passed over.
    """
    counts: dict[str, int] = {}
    for text, other in zip(texts, others, strict=True):
        if not text:
            continue
        name = text[:3] if text[3:4] in (marks.field, "") else "?"
        counts[name] = counts.get(name, 0) + 1
        if wanted not in other:
            continue
        where = f"{name}[{counts[name]}]" if counts[name] > 1 else name
        fields = zip(text.split(marks.field), other.split(marks.field), strict=True)
        for index, (field, kept) in enumerate(fields):
            number = index + 1 if name in HEADERS else index
            if index and field and wanted in kept and not (name in HEADERS and index == 1):
                yield from _in_field(name, f"{where}-{number}", number, field, kept, marks)


def _in_field(
    name: str, where: str, number: int, field: str, kept: str, marks: Dividers
) -> Iterator[tuple[str, Key, str, str]]:
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
