"""The steps of a compiled path, and how they read, write and remove."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from engine.codecs.json.document import copied
from engine.errors import ExpressionError, Rejected
from engine.model import Fault

NAME: Final = re.compile(r"[\w$@]+(?:-[\w$@]+)*")


class _Absent:
    """There is nothing; unlike null, which is a value."""

    __slots__ = ()


ABSENT: Final = _Absent()

Literal = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """A member of an object."""

    name: str

    def take(self, value: Any) -> Any:
        if type(value) is dict or isinstance(value, Mapping):
            return value.get(self.name, ABSENT)
        return ABSENT

    def pointer(self) -> str:
        return "/" + self.name.replace("~", "~0").replace("/", "~1")

    def __str__(self) -> str:
        return (
            f".{self.name}" if NAME.fullmatch(self.name) else f"[{json.dumps(self.name, ensure_ascii=False)}]"
        )


@dataclass(frozen=True, slots=True)
class Index:
    """An item of a list, counted from 0."""

    number: int

    def take(self, value: Any) -> Any:
        return value[self.number] if isinstance(value, list) and self.number < len(value) else ABSENT

    def pointer(self) -> str:
        return f"/{self.number}"

    def __str__(self) -> str:
        return f"[{self.number}]"


@dataclass(frozen=True, slots=True)
class Every:
    """All items of a list."""

    def take(self, value: Any) -> Any:
        return value if isinstance(value, list) else ABSENT

    def pointer(self) -> str:
        raise ExpressionError("[*] names no single place")

    def __str__(self) -> str:
        return "[*]"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a selector asks of an item: the value at `steps` is, or is not, `literal`."""

    steps: tuple[Key, ...]
    literal: Literal
    equal: bool

    def holds(self, item: Any) -> bool:
        found = read(item, self.steps)
        # true is no 1 in JSON
        same = found == self.literal and isinstance(found, bool) == isinstance(self.literal, bool)
        return same == self.equal

    def __str__(self) -> str:
        literal = str(self.literal)
        if not isinstance(self.literal, Decimal):
            literal = json.dumps(self.literal, ensure_ascii=False)
        return f"{''.join(map(str, self.steps))} {'==' if self.equal else '!='} {literal}"


@dataclass(frozen=True, slots=True)
class Where:
    """The first item of a list for which every condition holds."""

    conditions: tuple[Condition, ...]

    def find(self, value: Any) -> int | None:
        """Return the item's index, None where there is none."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                if all(condition.holds(item) for condition in self.conditions):
                    return index
        return None

    def take(self, value: Any) -> Any:
        index = self.find(value)
        return ABSENT if index is None else value[index]

    def pointer(self) -> str:
        raise ExpressionError("a selector names no fixed place")

    def __str__(self) -> str:
        return f"[{' and '.join(map(str, self.conditions))}]"


PathStep = Key | Index | Every | Where


def read(value: Any, steps: Sequence[PathStep]) -> Any:
    """Return what the steps lead to, ABSENT where one leads nowhere; below `[*]` a list of what is there."""
    for position, step in enumerate(steps):
        value = step.take(value)
        if value is ABSENT:
            return [] if Every() in steps else ABSENT
        if isinstance(step, Every):
            return _read_every(value, steps[position + 1 :])
    return value


def _read_every(items: list[Any], rest: Sequence[PathStep]) -> list[Any]:
    found = [item for item in (read(item, rest) for item in items) if item is not ABSENT]
    return [leaf for inner in found for leaf in inner] if Every() in rest else found


def write(value: Any, steps: Sequence[PathStep], new: Any, text: str) -> None:
    """Put `new` where the steps lead; `text` is the path that a refusal names."""
    step, rest = steps[0], steps[1:]
    if isinstance(step, Every):
        for number in range(len(_a_list(value, text))):
            _put(value, number, rest, copied(new), text)
        return
    if isinstance(step, Key):
        if not isinstance(value, dict):
            raise _refused(text, f"{step} cannot be set: what holds it is no object")
        _put(value, step.name, rest, new, text)
        return
    index = step.number if isinstance(step, Index) else step.find(value)
    if index is None or index > len(_a_list(value, text)):
        raise _refused(text, f"{step} cannot be set: there is no such item")
    if index == len(value):
        value.append(None)
    _put(value, index, rest, new, text)


def _put(container: Any, at: str | int, rest: Sequence[PathStep], new: Any, text: str) -> None:
    if not rest:
        container[at] = new
        return
    inner = container.get(at) if isinstance(container, dict) else container[at]
    if inner is None:
        inner = container[at] = {} if isinstance(rest[0], Key) else []
    write(inner, rest, new, text)


def _a_list(value: Any, text: str) -> list[Any]:
    if not isinstance(value, list):
        raise _refused(text, "an item cannot be set: what holds it is no list")
    return value


def _refused(text: str, why: str) -> Rejected:
    return Rejected(f"{text}: {why}", faults=(Fault(text, why, "unsettable"),), code="unsettable")


def remove(value: Any, steps: Sequence[PathStep]) -> None:
    """Take out what the steps lead to; nothing there is no error."""
    *way, last = steps
    found = read(value, way)
    for holder in found if Every() in way and isinstance(found, list) else (found,):
        if isinstance(last, Key) and isinstance(holder, dict):
            holder.pop(last.name, None)
        elif isinstance(holder, list):
            _remove_items(holder, last)


def _remove_items(items: list[Any], last: PathStep) -> None:
    if isinstance(last, Every):
        items.clear()
    elif isinstance(last, Index) and last.number < len(items):
        del items[last.number]
    elif isinstance(last, Where) and (index := last.find(items)) is not None:
        del items[index]
