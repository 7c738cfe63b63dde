"""Values that have parts: text in ER7 notation that knows its delimiters, so that copying it copies the parts."""

from __future__ import annotations

from enum import IntEnum

from engine.codecs.hl7v2.delimiters import NONE, RECOMMENDED, Delimiters, delimiters_of
from engine.codecs.hl7v2.escapes import Unwritable

NULL = '""'
"""HL7's null: the sender says that there is no value; in expressions None (v2.5.1 2.5.3.2)."""


class Level(IntEnum):
    """What an element is, outermost first."""

    FIELD = 0
    REPETITION = 1
    COMPONENT = 2
    SUBCOMPONENT = 3


class Composite(str):
    """The text of an element that has parts, as it stands in the message: delimiters and escapes included.

    It compares and prints as that text. Set somewhere else it keeps its parts, in the delimiters of that place;
    any other text is one value, and its delimiters are escaped.
    """

    __slots__ = ("level", "marks")
    marks: Delimiters
    level: Level


def composite(raw: str, marks: Delimiters, level: Level) -> Composite:
    """Wrap ER7 notation as a value."""
    value = Composite(raw)
    value.marks = marks
    value.level = level
    return value


def value_of(raw: str, marks: Delimiters, level: Level) -> str | None:
    """Return what an element says: None for null, a Composite where it has parts, else its text without escapes."""
    if raw == NULL:
        return None
    for mark in marks.inner:
        if mark in raw:
            return composite(raw, marks, level)
    return marks.read(raw) if marks.escape in raw else raw


def notation(text: str) -> str | None:
    """Return what a text in the recommended delimiters says (`ADT^A08` with its parts, `""` null): a literal that a
    person wrote, never a value that a message brought."""
    return value_of(text, delimiters_of("|", RECOMMENDED), Level.FIELD)


def raw_of(value: str | None, marks: Delimiters, level: Level) -> str:
    """Return how `value` is written as an element of that level; Unwritable where it does not fit."""
    if value is None:
        if '"' in marks.inner:
            raise Unwritable("null is two quotes, and this message divides by them")
        return NULL
    if not isinstance(value, Composite):
        return marks.write(value)
    if value.marks is marks and value.level == level:
        return str(value)
    return _joined(_fitted(_leaves(value, marks), value.level, level), marks, level)


def _leaves(value: Composite, marks: Delimiters) -> list[list[list[str]]]:
    """Return repetitions of components of subcomponents, each leaf written with the delimiters `marks`."""
    source = value.marks
    repetitions = str(value).split(source.repetition if value.level == Level.FIELD else NONE)
    components = [
        repetition.split(source.component if value.level < Level.COMPONENT else NONE)
        for repetition in repetitions
    ]
    return [
        [[_moved(leaf, source, marks) for leaf in one.split(source.subcomponent)] for one in row]
        for row in components
    ]


def _moved(leaf: str, source: Delimiters, target: Delimiters) -> str:
    if source is target or leaf == NULL:
        return leaf
    return target.write(source.read(leaf))


def _fitted(leaves: list[list[list[str]]], source: Level, target: Level) -> list[list[list[str]]]:
    """Move the parts one level down or up: a type keeps its parts whether it is a field or a component (v2.5.1 2.8)."""
    if target == Level.FIELD or (target == Level.REPETITION and len(leaves) == 1):
        if source == Level.COMPONENT:
            return [[[leaf] for leaf in leaves[0][0]]]
        return leaves
    if target == Level.COMPONENT and len(leaves) == 1:
        if source == Level.COMPONENT or len(leaves[0]) == 1:
            return leaves
        if all(len(component) == 1 for component in leaves[0]):
            return [[[component[0] for component in leaves[0]]]]
    raise Unwritable(f"a {target.name.lower()} cannot hold all the parts of this value")


def _joined(leaves: list[list[list[str]]], marks: Delimiters, level: Level) -> str:
    rows = [[_glued(leaf, marks.subcomponent) for leaf in row] for row in leaves]
    text = _glued([_glued(row, marks.component) for row in rows], marks.repetition)
    if level == Level.COMPONENT and marks.component in text:
        raise Unwritable("a component cannot hold components")
    return text


def _glued(parts: list[str], mark: str) -> str:
    if len(parts) > 1 and mark == NONE:
        raise Unwritable("it has parts, and this message declares no delimiter to separate them")
    return mark.join(parts)
