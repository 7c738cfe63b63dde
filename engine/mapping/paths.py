"""The paths that a mapper's rules are written in: event keys, places of a message, places of a FHIR resource."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from engine.mapping.rules import FhirPath, Path, Selector, Step, V2Place

_EVENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*")
_V2: Final = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]{0,2})((?:\.[1-9][0-9]?)*)")
_RELATIVE: Final = re.compile(r"(?:\.[1-9][0-9]?)+")
_STEP: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9]*")
_INDEX: Final = re.compile(r"\[([0-9]{1,2})\]")
_LITERAL: Final = re.compile(r'\s*==?\s*(?:"([^"]*)"|([^\s"\]]+))\s*')
SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_READ: Final = 20_000
"""Paths that are remembered: shapes that many mappers share say the same ones again and again."""
MAX_DEPTH: Final = 2
"""Components and subcomponents: nothing is deeper in a message (v2.5.1 2.5.3)."""


class BadPath(ValueError):
    """A path that cannot be read; `offset` is where in its text."""

    def __init__(self, message: str, offset: int = 0, length: int = 1) -> None:
        super().__init__(message)
        self.offset = offset
        self.length = length


@lru_cache(maxsize=_READ)
def event_path(text: str) -> tuple[Path, bool]:
    """Return the keys of `patient.names[]` and whether it is a list."""
    many = text.endswith("[]")
    plain = text[:-2] if many else text
    if not _EVENT.fullmatch(plain):
        found = _EVENT.match(plain)
        raise BadPath(
            "no path of an event: keys of letters and digits, divided by dots", found.end() if found else 0
        )
    return tuple(plain.split(".")), many


class V2Prefix(tuple[str, int, tuple[int, ...]]):
    """Where an object or a list stands: segment ("" in a repetition), field, then component and subcomponent."""

    __slots__ = ()


TOP: Final = V2Prefix(("", -1, ()))


@lru_cache(maxsize=_READ)
def v2_prefix(text: str, inside: V2Prefix) -> V2Prefix:
    """Return what `PID-3`, `PID-3.4` or, within `inside`, `.4` names; BadPath where it is too deep or no path."""
    found = _V2.fullmatch(text)
    if found:
        segment, field, parts = found[1], int(found[2]), _numbers(found[3])
        if segment in ("MSH", "FHS", "BHS") and field < 3:
            raise BadPath("the delimiters of a message are no fact", 0, len(text))
    elif _RELATIVE.fullmatch(text):
        segment, field, above = inside
        if inside == TOP:
            raise BadPath(
                "a path that begins with a dot stands inside an object or a list only", 0, len(text)
            )
        parts = above + _numbers(text)
    else:
        raise BadPath("no path of a message: write PID-3, PID-5.2, PID-3.4.2 or, inside, .4.2", 0, len(text))
    while len(parts) > MAX_DEPTH and parts[-1] == 1:
        parts = parts[:-1]
    if len(parts) > MAX_DEPTH:
        raise TooDeep("nothing in a message is deeper than a subcomponent", 0, len(text))
    return V2Prefix((segment, field, parts))


class TooDeep(BadPath):
    """A shape that is used a level down has more parts than fit there."""


def v2_leaf(prefix: V2Prefix) -> V2Place:
    """Return the leaf of a place: component 1 and subcomponent 1 unless said."""
    segment, field, parts = prefix
    component, subcomponent = (*parts, 1, 1)[:2]
    return V2Place(segment, field, component, subcomponent)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[1:])


@lru_cache(maxsize=_READ)
def fhir_path(text: str) -> FhirPath:
    """Return the steps of `Patient.name[0].given[1]` or `identifier[use == "usual"].value`."""
    steps, end = _steps(text, 0, "")
    if end != len(text):
        raise BadPath("this does not belong to a path", end)
    return steps


def _steps(text: str, start: int, ends: str) -> tuple[FhirPath, int]:
    steps: list[Step] = []
    at = start
    while True:
        name = _STEP.match(text, at)
        if not name:
            raise BadPath("the name of an element is missing", at)
        steps.append(name[0])
        at = name.end()
        while at < len(text) and text[at] == "[":
            step, at = _bracket(text, at)
            steps.append(step)
        if at < len(text) and text[at] == ".":
            at += 1
            continue
        if at < len(text) and text[at] not in ends:
            raise BadPath("this does not belong to a path", at)
        return tuple(steps), at


def _bracket(text: str, at: int) -> tuple[Step, int]:
    index = _INDEX.match(text, at)
    if index:
        return int(index[1]), index.end()
    conditions = []
    at += 1
    while True:
        steps, at = _steps(text, at, " =")
        literal = _LITERAL.match(text, at)
        if not literal:
            raise BadPath('a condition is written [use == "usual"]', at)
        conditions.append((steps, literal[1] if literal[1] is not None else literal[2]))
        at = literal.end()
        if text.startswith("and ", at):
            at += 4
            continue
        if text[at : at + 1] != "]":
            raise BadPath("the bracket is never closed", min(at, len(text) - 1))
        return Selector(tuple(conditions)), at + 1


def shown(path: FhirPath) -> str:
    """Return a path as it is written."""
    text = ""
    for step in path:
        if isinstance(step, Selector):
            said = " and ".join(f'{shown(inner)} == "{literal}"' for inner, literal in step.conditions)
            text += f"[{said}]"
        elif isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
