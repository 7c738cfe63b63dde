"""All leaves of a message and where their text stands, found by plain splitting: the reader must agree with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.codecs.hl7v2.message import Er7

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
HEADERS = ("MSH", "FHS", "BHS")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf's place, its raw text, and the span of that text in the message."""

    segment: str
    number: int
    field: int
    repetition: int
    component: int
    subcomponent: int
    raw: str
    start: int

    @property
    def path(self) -> str:
        inside = f"-{self.field}[{self.repetition}].{self.component}.{self.subcomponent}"
        return f"{self.segment}[{self.number}]{inside}"


def leaves(root: Er7) -> Iterator[Leaf]:
    """Yield every leaf but the delimiters; a segment without a name of three characters has no paths."""
    text = root.text()
    marks = root.marks
    start = len(root.lead)
    counts: dict[str, int] = {}
    for segment in root.texts():
        start = text.index(segment, start)
        name, _, rest = segment.partition(marks.field)
        if _NAME.fullmatch(name):
            counts[name] = counts.get(name, 0) + 1
            first = 2 if name in HEADERS else 1
            for field, at, raw in _parts(rest, start + len(name) + 1, marks.field, first):
                if len(segment) > len(name) and (name not in HEADERS or field > 2):
                    yield from _in_field(root, (name, counts[name], field), raw, at)
        start += len(segment)


def _in_field(root: Er7, place: tuple[str, int, int], field: str, start: int) -> Iterator[Leaf]:
    marks = root.marks
    for repetition, at_repetition, one in _parts(field, start, marks.repetition, 1):
        for component, at_component, part in _parts(one, at_repetition, marks.component, 1):
            for subcomponent, at, raw in _parts(part, at_component, marks.subcomponent, 1):
                yield Leaf(*place, repetition, component, subcomponent, raw, at)


def _parts(text: str, start: int, mark: str, number: int) -> Iterator[tuple[int, int, str]]:
    for part in text.split(mark):
        yield number, start, part
        number += 1
        start += len(part) + len(mark)
