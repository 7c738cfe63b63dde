"""Reads the text of a path into a place, with the offset of what is wrong.

PID  PID-3  PID-3.1  PID-3[2].4.2  PID-3[.5 == "JHN"].1  OBX[3]-5  OBX[OBX-2 == "ED"]-5.5  OBX[*]-5  .4.1
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from engine.errors import ExpressionError


@dataclass(frozen=True, slots=True)
class Every:
    """All segments of a name, or all repetitions of a field."""

    def __str__(self) -> str:
        return "[*]"


@dataclass(frozen=True, slots=True)
class Nth:
    """One of them, counted from 1."""

    number: int

    def __str__(self) -> str:
        return f"[{self.number}]"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a selector asks of a segment (`field` > 0) or of a repetition: what stands there is, or is not, a text.

    `literal` None asks for HL7's null.
    """

    field: int
    component: int
    subcomponent: int
    literal: str | None
    equal: bool


@dataclass(frozen=True, slots=True)
class Where:
    """The first segment or repetition for which every condition holds; `text` as written."""

    conditions: tuple[Condition, ...]
    text: str

    def __str__(self) -> str:
        return f"[{self.text}]"


Which = Every | Nth | Where | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads; 0 or None for what it does not name. Without a segment it is relative to a repetition."""

    segment: str
    which: Which = None
    field: int = 0
    repetition: Which = None
    component: int = 0
    subcomponent: int = 0


_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9_])")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_BRACKET = re.compile(r"""\[(?:[^\[\]"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\]""")
_JOINED = re.compile(r"[-.][A-Za-z0-9_]+")
_FIELD = re.compile(r"-(\d{1,3})(?!\w)", re.ASCII)
_PARTS = re.compile(r"\.(\d{1,4})(?:\.(\d{1,4}))?(?!\w)", re.ASCII)
_RELATIVE = re.compile(r"\.?(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)
_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_AND = re.compile(r"\s+and\s+")
_COMPARED = re.compile(r"\s*(==|!=)\s*")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_HELP = 'write PID-3.1, PID-3[2].4.2, PID-3[.5 == "JHN"].1, OBX[3]-5 or OBX[*]-5'


def extent(text: str, start: int) -> int:
    """Return the offset where the path that begins at `start` ends."""
    position = start
    if word := _WORD.match(text, position):
        position = word.end()
    elif text[position : position + 1] != ".":
        return position
    while position < len(text):
        if text[position] == "[":
            position = _closed(text, position)
        elif joined := _JOINED.match(text, position):
            position = joined.end()
        else:
            break
    return position


def compile_place(text: str) -> Place:
    """Return the place that a whole path names; ExpressionError where it is none."""
    if relative := _RELATIVE.fullmatch(text):
        component, subcomponent = int(relative[1]), int(relative[2] or 0)
        _counted_from_1(text, component, relative[2])
        return Place("", component=component, subcomponent=subcomponent)
    head = _SEGMENT.match(text)
    if head is None:
        word = _WORD.match(text)
        message = "a segment's name has three capital letters or digits" if text else "a path is missing"
        raise ExpressionError(message, length=max(1, word.end() if word else 1), help=_HELP)
    position = head.end()
    which, position = _selector(text, position, head[0])
    field, position = _number(text, position)
    repetition: Which = None
    component = subcomponent = 0
    if field:
        repetition, position = _selector(text, position, "")
        if parts := _PARTS.match(text, position):
            component, subcomponent = int(parts[1]), int(parts[2] or 0)
            _counted_from_1(text, component, parts[2])
            position = parts.end()
    if position < len(text):
        raise ExpressionError("this is no path", offset=position, length=len(text) - position, help=_HELP)
    return Place(head[0], which, field, repetition, component, subcomponent)


def _number(text: str, position: int) -> tuple[int, int]:
    found = _FIELD.match(text, position)
    if found is None:
        return 0, position
    _counted_from_1(text, int(found[1]), None)
    return int(found[1]), found.end()


def _counted_from_1(text: str, number: int, second: str | None) -> None:
    if number == 0 or (second is not None and int(second) == 0):
        message = "fields, components and repetitions are counted from 1"
        raise ExpressionError(message, length=len(text), help=_HELP)


def _closed(text: str, position: int) -> int:
    bracket = _BRACKET.match(text, position)
    if bracket is None:
        raise ExpressionError("this [ is never closed", offset=position, help=_HELP)
    return bracket.end()


def _selector(text: str, position: int, segment: str) -> tuple[Which, int]:
    """Read `[*]`, `[n]` or `[conditions]` at `position`; a condition on segments names fields of `segment`."""
    if text[position : position + 1] != "[":
        return None, position
    end = _closed(text, position)
    inner = text[position + 1 : end - 1].strip()
    if inner == "*":
        return Every(), end
    if _INDEX.fullmatch(inner):
        _counted_from_1(text, int(inner), None)
        return Nth(int(inner)), end
    conditions: list[Condition] = []
    start = position + 1
    while True:
        condition, start = _condition(text, start, end - 1, segment)
        conditions.append(condition)
        joint = _AND.match(text, start, end - 1)
        if joint is None:
            break
        start = joint.end()
    if text[start : end - 1].strip():
        raise ExpressionError("this is no selector", offset=start, length=end - 1 - start, help=_HELP)
    return Where(tuple(conditions), inner), end


def _condition(text: str, position: int, end: int, segment: str) -> tuple[Condition, int]:
    while text[position : position + 1].isspace():
        position += 1
    start = position
    field = component = subcomponent = 0
    if segment and text.startswith(segment, position):
        field, position = _number(text, position + len(segment))
    if parts := _PARTS.match(text, position, end):
        component, subcomponent = int(parts[1]), int(parts[2] or 0)
        _counted_from_1(text, component, parts[2])
        position = parts.end()
    comparison = _COMPARED.match(text, position, end)
    if comparison is None or not (field if segment else component):
        wanted = f'{segment}-2 == "X"' if segment else '.5 == "X"'
        message = "this is no selector"
        raise ExpressionError(message, offset=start, length=max(1, end - start), help=f"write [{wanted}]")
    literal, position = _literal(text, comparison.end(), end)
    return Condition(field, component, subcomponent, literal, comparison[1] == "=="), position


def _literal(text: str, position: int, end: int) -> tuple[str | None, int]:
    if quoted := _QUOTED.match(text, position, end):
        return _unquoted(quoted[0], position), quoted.end()
    if (word := _WORD.match(text, position, end)) and word[0] in ("None", "null"):
        return None, word.end()
    raise ExpressionError("a text is missing here", offset=position, help='quote it: [.5 == "JHN"]')


def _unquoted(quoted: str, offset: int) -> str:
    """Return the text between quotes; escapes are those of JSON, and \\' in single quotes."""
    inner = quoted[1:-1]
    if quoted[0] == "'":
        inner = re.sub(r'\\.|"', _as_in_double, inner, flags=re.DOTALL)
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        raise ExpressionError("an escape is wrong here", offset=offset, length=len(quoted)) from None


def _as_in_double(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])
