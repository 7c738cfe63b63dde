"""Paths into JSON values: `appointment.start`, `participant[0].actor`, `items[*].code`, `items[.code == "X"].value`.

A name is letters, digits, `_`, `$`, `@` and inner minus signs; any other key is quoted: `["odd key"]`. `[n]` counts
from 0. `[*]` takes all items and gives a list of what is there. `[.code == "X"]`, with `==` or `!=` and `and`
between several conditions, takes the first item for which they hold. Absent is "", null is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.codecs.json import steps as taken
from engine.codecs.json.grammar import compile_steps, extent
from engine.codecs.json.steps import ABSENT, Index, Key, PathStep
from engine.codecs.json.values import json_value
from engine.spi import Getter


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path; `get` is a plain function, since it is what expressions call most."""

    text: str
    steps: tuple[PathStep, ...]
    get: Getter = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Write a copy of `value` in place, making objects on the way; one past its end lengthens a list.

        Raises:
            Rejected: the path meets a text, number or null, a list too short, or no item that a selector takes.
        """
        taken.write(root, self.steps, json_value(value, self.text), self.text)

    def remove(self, root: Any) -> None:
        """Take what is there out in place: an object's key, a list's item, with `[*]` all items."""
        taken.remove(root, self.steps)

    def __str__(self) -> str:
        return "".join(str(step) for step in self.steps).removeprefix(".")


def compile_path(text: str) -> JsonPath:
    """Compile a path; ExpressionError with the offset of what is wrong."""
    steps = compile_steps(text)
    return JsonPath(text, steps, _getter(steps))


def path_extent(text: str, start: int) -> int:
    """Return where the path that begins at `start` ends; ExpressionError where a bracket never closes."""
    return extent(text, start)


def dotted(trail: Sequence[str | int]) -> str:
    """Return keys and indexes as a path (`appointment.end`, `participant[0]`); "" for the root."""
    return "".join(f"[{part}]" if isinstance(part, int) else str(Key(part)) for part in trail).removeprefix(
        "."
    )


def pointer(text: str) -> str:
    """Return a path of names and indexes as a JSON Pointer (`/appointment/end`; RFC 6901 3); "" stays "".

    Raises:
        ExpressionError: the text is no path, or has a selector or `[*]`, which no pointer can say.
    """
    return "".join(step.pointer() for step in compile_steps(text)) if text else ""


def _getter(steps: tuple[PathStep, ...]) -> Getter:
    """Return the fastest reader for these steps: plain names are most paths, and a filter has about 1 us in all.

    Names index directly; whatever is no object on the way (null, text, list) raises TypeError, so the value is
    absent.
    """
    names = tuple(step.name for step in steps if isinstance(step, Key))
    if len(names) == len(steps) <= len(_BY_LENGTH):
        return _BY_LENGTH[len(names) - 1](*names)
    places = tuple(
        step.name if isinstance(step, Key) else step.number for step in steps if isinstance(step, Key | Index)
    )
    if len(places) == len(steps):
        return _along(places)
    return lambda root: _absent_as_text(taken.read(root, steps))


def _absent_as_text(value: Any) -> Any:
    return "" if value is ABSENT else value


def _one(a: str) -> Getter:
    def get(root: Any) -> Any:
        try:
            return root[a]
        except (KeyError, TypeError):
            return ""

    return get


def _two(a: str, b: str) -> Getter:
    def get(root: Any) -> Any:
        try:
            return root[a][b]
        except (KeyError, TypeError):
            return ""

    return get


def _three(a: str, b: str, c: str) -> Getter:
    def get(root: Any) -> Any:
        try:
            return root[a][b][c]
        except (KeyError, TypeError):
            return ""

    return get


def _four(a: str, b: str, c: str, d: str) -> Getter:
    def get(root: Any) -> Any:
        try:
            return root[a][b][c][d]
        except (KeyError, TypeError):
            return ""

    return get


def _along(places: tuple[str | int, ...]) -> Getter:
    def get(root: Any) -> Any:
        value = root
        try:
            for place in places:
                if type(place) is int and type(value) is not list:
                    return ""  # a text has an item [0] too
                value = value[place]
        except (KeyError, IndexError, TypeError):
            return ""
        return value

    return get


_BY_LENGTH = (_one, _two, _three, _four)
