"""Changes at a place: only the bytes of what is set differ, and what it lacks on the way is made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.codecs.hl7v2.composite import Composite, Level, raw_of, value_of
from engine.codecs.hl7v2.delimiters import HEADERS, NONE, Delimiters
from engine.codecs.hl7v2.escapes import Unwritable
from engine.codecs.hl7v2.getting import Chooser, chosen_repetitions, index_of, inner, part, segment_chooser
from engine.codecs.hl7v2.grammar import Every, Nth, Place, Where, Which
from engine.codecs.hl7v2.message import MAX_FIELDS, Er7, Segment, refused


def set_at(root: Any, place: Place, choose: Chooser, value: Any, text: str) -> None:
    """Write `value` at a place, in the segments that `choose` takes; `text` is the path that a refusal names."""
    if not isinstance(root, Er7 | Segment) or not place.segment:
        raise refused(text, "only a message or a segment can be changed")
    if not place.field:
        _set_segments(root, place, choose, value, text)
        return
    if place.segment in HEADERS and place.field < 3:
        raise refused(text, "the delimiters of a message cannot be changed")
    new = _plain(value, text)
    for segment in _targets(root, place, choose, text):
        try:
            _set_field(segment, place, new, text)
        except Unwritable as error:
            raise refused(text, str(error)) from None


def remove_at(root: Any, place: Place, choose: Chooser, text: str) -> None:
    """Take out what is at a place: a segment, a repetition; a field, component or subcomponent becomes empty."""
    if not isinstance(root, Er7 | Segment) or not place.segment:
        raise refused(text, "only a message or a segment can be changed")
    if place.field:
        if place.segment in HEADERS and place.field < 3:
            raise refused(text, "the delimiters of a message cannot be removed")
        for segment in list(choose(root)):
            _remove_in(segment, place)
        return
    if isinstance(root, Segment):
        raise refused(text, "a segment can be removed from its message only")
    chosen = {id(segment) for segment in segment_chooser(place.segment, place.which or Every())(root)}
    root.take_out([at for at, segment in enumerate(root.segments) if id(segment) in chosen])


def _plain(value: Any, path: str) -> str | None:
    """Return a value as a message can hold it: text, a Composite or None; numbers as they are spelled."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise refused(path, f"a {type(value).__name__} is no HL7 value: set a text")


def _targets(root: Er7 | Segment, place: Place, choose: Chooser, text: str) -> list[Segment]:
    found = list(choose(root))
    if found or isinstance(place.which, Every):
        return found
    if isinstance(root, Segment):
        raise refused(text, f"this is no segment {place.segment}")
    if place.segment in HEADERS:
        raise refused(text, "a header segment cannot be added")
    if isinstance(place.which, Where):
        raise refused(text, "there is no such segment")
    if isinstance(place.which, Nth) and place.which.number > 1 + sum(
        1 for _ in root.positions(place.segment)
    ):
        raise refused(text, "there are fewer segments of that name")
    return [root.add(place.segment)]


def _set_segments(root: Er7 | Segment, place: Place, choose: Chooser, value: Any, text: str) -> None:
    """Make a segment say what another one says, field by field, whatever delimiters that one has."""
    if not isinstance(value, Segment) or value.name != place.segment or place.segment in HEADERS:
        raise refused(text, f"only another segment {place.segment} can be set here: set its fields instead")
    source = [value_of(raw, value.marks, Level.FIELD) for raw in value.fields[1:]]
    for segment in _targets(root, place, choose, text):
        try:
            fields = [raw_of(one, segment.marks, Level.FIELD) for one in source]
        except Unwritable as error:
            raise refused(text, str(error)) from None
        segment.fields[1:] = value.fields[1:] if value.marks is segment.marks else fields
        segment.changed = True


def _set_field(segment: Segment, place: Place, value: str | None, text: str) -> None:
    marks = segment.marks
    at = index_of(place.segment, place.field)
    fields = segment.fields
    old = fields[at] if at < len(fields) else ""
    if place.repetition is None and not place.component:
        new = old if _same(value_of(old, marks, Level.FIELD), value) else raw_of(value, marks, Level.FIELD)
    else:
        new = _with_repetition(old, marks, place, value, text)
    if new == old:
        return
    if at >= MAX_FIELDS:
        raise refused(text, "there is no field so far behind")
    fields.extend([""] * (at + 1 - len(fields)))
    fields[at] = new
    segment.changed = True


def _with_repetition(raw: str, marks: Delimiters, place: Place, value: str | None, text: str) -> str:
    """Return a field with the value in the repetitions that the place takes."""
    repetitions = raw.split(marks.repetition)
    chosen = [index for index, _ in chosen_repetitions(raw, marks, place.repetition)]
    if not chosen and value == "":
        return raw
    if not chosen and not isinstance(place.repetition, Every):
        chosen = [_one_more(repetitions, marks, place.repetition, text)]
    for index in chosen:
        repetitions[index] = _with_part(repetitions[index], marks, place, value)
    return marks.repetition.join(repetitions)


def _one_more(repetitions: list[str], marks: Delimiters, which: Which, text: str) -> int:
    if not isinstance(which, Nth) or which.number > len(repetitions) + 1 or marks.repetition == NONE:
        raise refused(text, "there is no such repetition")
    repetitions.append("")
    return len(repetitions) - 1


def _with_part(raw: str, marks: Delimiters, place: Place, value: str | None) -> str:
    """Return a repetition with the value as a part of it, or as all of it."""
    if _same(inner(raw, marks, place.component, place.subcomponent), value):
        return raw
    if not place.component:
        return raw_of(value, marks, Level.REPETITION)
    if not place.subcomponent:
        return _replaced(raw, marks.component, place.component, raw_of(value, marks, Level.COMPONENT))
    component = part(raw, marks.component, place.component)
    new = raw_of(value, marks, Level.SUBCOMPONENT)
    changed = _replaced(component, marks.subcomponent, place.subcomponent, new)
    return _replaced(raw, marks.component, place.component, changed)


def _replaced(raw: str, mark: str, number: int, new: str) -> str:
    """Return `raw` with its part `number` replaced, lengthened where it is too short."""
    if mark == NONE:
        if number > 1:
            raise Unwritable("the message declares no delimiter for this part")
        return new
    parts = raw.split(mark)
    parts.extend([""] * (number - len(parts)))
    parts[number - 1] = new
    return mark.join(parts)


def _same(old: str | None, new: str | None) -> bool:
    """Say whether writing `new` would say nothing new: then the old spelling stays."""
    if isinstance(old, Composite) != isinstance(new, Composite):
        return False
    if isinstance(old, Composite) and isinstance(new, Composite) and old.marks is not new.marks:
        return False
    return old == new


def _remove_in(segment: Segment, place: Place) -> None:
    marks = segment.marks
    at = index_of(place.segment, place.field)
    if at >= len(segment.fields):
        return
    old = segment.fields[at]
    new = _without(old, marks, place)
    if new != old:
        segment.fields[at] = new
        segment.changed = True


def _without(raw: str, marks: Delimiters, place: Place) -> str:
    if not place.component and (place.repetition is None or isinstance(place.repetition, Every)):
        return ""
    repetitions = raw.split(marks.repetition)
    chosen = [index for index, _ in chosen_repetitions(raw, marks, place.repetition)]
    if not place.component:
        return marks.repetition.join(one for index, one in enumerate(repetitions) if index not in chosen)
    for index in chosen:
        repetitions[index] = _with_part(repetitions[index], marks, place, "")
    return marks.repetition.join(repetitions)
