"""Readers of places: closures that cost a fraction of a microsecond for the paths that people write most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.codecs.hl7v2.composite import Composite, Level, value_of
from engine.codecs.hl7v2.delimiters import HEADERS, Delimiters
from engine.codecs.hl7v2.grammar import Condition, Every, Nth, Place, Where, Which
from engine.codecs.hl7v2.message import Er7, Segment
from engine.spi import Getter

Value = str | None
Chooser = Callable[[Er7 | Segment], Iterator[Segment]]
_FIELD, _REPETITION, _COMPONENT, _SUBCOMPONENT = Level  # an enumeration's members cost a look-up each time


def getter(place: Place) -> Getter:
    """Return the fastest reader for this place."""
    if not place.segment:
        return lambda root: _relative(root, place.component, place.subcomponent)
    if not place.field:
        return _segments(place.segment, place.which)
    if place.which is not None or place.repetition is not None:
        return _selected(place)
    if place.segment in HEADERS and place.field < 3:
        return _declared(place.segment, place.field)
    at = index_of(place.segment, place.field)
    if not place.component:
        return _field(place.segment, at)
    return _part(place.segment, at, place.component, place.subcomponent)


def index_of(segment: str, field: int) -> int:
    """Return where a field stands among a segment's fields."""
    return field - 1 if segment in HEADERS else field


def _field(name: str, at: int) -> Getter:
    def get(root: Any) -> Any:
        fields = root.first.get(name)
        if fields is None:
            fields = root.find(name)
        try:
            raw = fields[at]
        except IndexError:
            return ""
        if not raw or (raw.isalnum() and root.marks.regular):
            return raw
        return value_of(raw, root.marks, _FIELD)

    return get


def _part(name: str, at: int, component: int, subcomponent: int) -> Getter:
    last = component - 1

    def get(root: Any) -> Any:
        fields = root.first.get(name)
        if fields is None:
            fields = root.find(name)
        try:
            raw = fields[at]
            marks = root.marks
            if marks.repetition in raw:
                raw = raw.partition(marks.repetition)[0]
            raw = raw.split(marks.component, component)[last]
        except IndexError:
            return ""
        if subcomponent:
            return value_of(part(raw, marks.subcomponent, subcomponent), marks, _SUBCOMPONENT)
        if not raw or (raw.isalnum() and marks.regular):
            return raw
        return value_of(raw, marks, _COMPONENT)

    return get


def inner(raw: str, marks: Delimiters, component: int, subcomponent: int) -> Value:
    """Return what stands in a repetition: all of it for component 0, "" where it has no such part.

    What is not divided is its own first part, so that an old primitive reads as the first component of what newer
    versions made of it (v2.5.1 2.8.2).
    """
    if not component:
        return value_of(raw, marks, _REPETITION)
    raw = part(raw, marks.component, component)
    if not subcomponent:
        return value_of(raw, marks, _COMPONENT)
    return value_of(part(raw, marks.subcomponent, subcomponent), marks, _SUBCOMPONENT)


def part(raw: str, mark: str, number: int) -> str:
    """Return one part of what `mark` divides, counted from 1, "" where there is none."""
    parts = raw.split(mark, number)
    return parts[number - 1] if number <= len(parts) else ""


def _declared(name: str, field: int) -> Getter:
    """Fields 1 and 2 of a header are the delimiters: text as it stands, never divided."""

    def get(root: Any) -> Any:
        fields = root.first.get(name)
        if fields is None:
            fields = root.find(name)
        if not fields:
            return ""
        return root.marks.field if field == 1 else "".join(fields[1:2])

    return get


def _relative(root: Any, component: int, subcomponent: int) -> Any:
    """Read a part of a repetition, as `[*]` gave it."""
    if not isinstance(root, Composite):
        return root if isinstance(root, str | None) and component == 1 and subcomponent < 2 else ""
    raw = str(root)
    if root.level == Level.FIELD:
        raw = raw.partition(root.marks.repetition)[0]
    if root.level == Level.COMPONENT:
        return value_of(part(raw, root.marks.subcomponent, component), root.marks, _SUBCOMPONENT)
    return inner(raw, root.marks, component, subcomponent)


def _segments(name: str, which: Which) -> Getter:
    choose = segment_chooser(name, which or Every())

    def get(root: Any) -> Any:
        found = list(choose(root))
        if isinstance(which, Every):
            return found
        if which is None:
            return found or ""
        return found[0] if found else ""

    return get


def _selected(place: Place) -> Getter:
    """Read with selectors; a list of what is there where one of them is `[*]`."""
    many = isinstance(place.which, Every) or isinstance(place.repetition, Every)
    choose = segment_chooser(place.segment, place.which)
    values = _values(place)

    def get(root: Any) -> Any:
        found: list[Value] = []
        for segment in choose(root):
            for value in values(segment):
                if not many:
                    return value
                if value != "":
                    found.append(value)
        return found if many else ""

    return get


def _values(place: Place) -> Callable[[Segment], Iterator[Value]]:
    """Return the function that yields what a place takes of one segment."""
    at = index_of(place.segment, place.field)
    component, subcomponent, which = place.component, place.subcomponent, place.repetition
    declared = place.segment in HEADERS and place.field < 3

    def values(segment: Segment) -> Iterator[Value]:
        marks, fields = segment.marks, segment.fields
        raw = fields[at] if at < len(fields) else ""
        if declared:
            yield marks.field if place.field == 1 else raw
        elif which is None and not component:
            yield value_of(raw, marks, _FIELD)
        else:
            for _, repetition in chosen_repetitions(raw, marks, which):
                yield inner(repetition, marks, component, subcomponent)

    return values


def segment_chooser(name: str, which: Which) -> Chooser:
    """Return the function that yields the segments a selector takes, the first one without it.

    A segment that stands alone, as `it` in a list, is the first and only one of its name.
    """
    number = which.number if isinstance(which, Nth) else 1
    every = isinstance(which, Every)
    tests = [_test(name, condition) for condition in which.conditions] if isinstance(which, Where) else []

    def choose(root: Er7 | Segment) -> Iterator[Segment]:
        if isinstance(root, Segment):
            if root.name == name and number == 1 and all(test(root) for test in tests):
                yield root
            return
        for count, position in enumerate(root.positions(name), start=1):
            if count < number:
                continue
            segment = root.open(position)
            if not tests or all(test(segment) for test in tests):
                yield segment
                if not every:
                    return

    return choose


def _test(name: str, condition: Condition) -> Callable[[Segment], bool]:
    field, component, subcomponent = condition.field, condition.component, condition.subcomponent
    values = _values(Place(name, None, field, None, component, subcomponent))
    return lambda segment: (next(values(segment)) == condition.literal) == condition.equal


def chosen_repetitions(raw: str, marks: Delimiters, which: Which) -> Iterator[tuple[int, str]]:
    """Yield (index from 0, text) of the repetitions that a selector takes, the first without it."""
    if which is None:
        yield 0, raw.partition(marks.repetition)[0]
    elif isinstance(which, Nth):
        parts = raw.split(marks.repetition, which.number)
        if which.number <= len(parts):
            yield which.number - 1, parts[which.number - 1]
    else:
        for index, repetition in enumerate(raw.split(marks.repetition)):
            if isinstance(which, Every):
                yield index, repetition
            elif all(_holds(repetition, marks, condition) for condition in which.conditions):
                yield index, repetition
                return


def _holds(repetition: str, marks: Delimiters, condition: Condition) -> bool:
    value = inner(repetition, marks, condition.component, condition.subcomponent)
    return (value == condition.literal) == condition.equal
