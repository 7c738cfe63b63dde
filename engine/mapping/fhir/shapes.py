"""Tells in which shape an object of an event comes: its keys, and the codes on which rules depend.

What is compiled for a shape is found again by asking the object only for what it has: a chain of look-ups by the keys
of one object after the other. Keys that no rule has make no shape of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from engine.mapping.rules import Path

ANOTHER: Final = "\x00another"
"""Stands for any text that no rule names as a code."""
ODD: Final = "\x00odd"
"""Stands for any value that is neither a text nor null."""
MOST_NOTED: Final = 512
"""How many spellings of one set of keys are noted at one place before they are forgotten."""


Found = TypeVar("Found")


class NotMade(Exception):
    """This event is for the general functions, which can all and take their time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which objects of an event there are, with the keys that matter, and the codes that matter."""

    keys: Mapping[Path, frozenset[str]]
    codes: Mapping[Path, str | None]
    places: Mapping[Path, int]

    def has(self, path: Path) -> bool:
        """Say whether a key is there, whatever its value."""
        known = self.keys.get(path[:-1])
        return known is not None and path[-1] in known

    def code(self, path: Path) -> str | None:
        """Return a leaf's code; None where it has none, or null."""
        return self.codes.get(path)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an event object matters to what is compiled: keys by object, codes by leaf."""

    keys: Mapping[Path, frozenset[str]]
    codes: Mapping[Path, frozenset[str]]

    def first(self) -> frozenset[str]:
        """Return the keys that matter in the event object itself."""
        return self.keys.get((), frozenset())


def asked(leaves: Iterable[Path], codes: Mapping[Path, frozenset[str]]) -> Asked:
    """Return what is to be asked for these leaves (and lists), and for these codes of some of them."""
    keys: dict[Path, set[str]] = {}
    for path in (*leaves, *codes):
        for at in range(len(path)):
            keys.setdefault(path[:at], set()).add(path[at])
    return Asked({path: frozenset(found) for path, found in keys.items()}, dict(codes))


@dataclass(slots=True, eq=False)
class _Step(Generic[Found]):
    """One look: at the object `name` of the `at`th object, or (with `codes`) at a code; a result where `done`."""

    shape: Shape
    at: int = 0
    name: str = ""
    codes: frozenset[str] | None = None
    path: Path = ()
    done: bool = False
    found: Found | None = None
    next: dict[Any, _Step[Found]] = field(default_factory=dict)
    kinds: dict[frozenset[str] | None, _Step[Found]] = field(default_factory=dict)


class Shapes(Generic[Found]):
    """What was compiled for each shape of one event object; compiled when a shape is first seen."""

    def __init__(self, wanted: Asked, compile_for: Callable[[Shape], Found]) -> None:
        self._wanted = wanted
        self._compile = compile_for
        self._objects = sorted(path for path in wanted.keys if path)
        self.clear()

    def clear(self) -> None:
        """Forget everything that was compiled."""
        self._first: _Step[Found] = _Step(Shape({}, {}, {}))

    def flat(self, item: Any) -> Found | None:
        """Return what was compiled for an object where its keys alone tell; None where `find` has to look."""
        if item.__class__ is dict:
            step = self._first.next.get(tuple(item))
            if step is not None and step.done:
                return step.found
        return None

    def find(self, item: dict[str, Any]) -> tuple[Found, list[dict[str, Any]]]:
        """Return what was compiled for an object's shape, and its objects in the order of `Shape.places`.

        Raises:
            NotMade: this is no object.
        """
        if item.__class__ is not dict:
            raise NotMade
        objects = [item]
        step = self._first.next.get(tuple(item))
        if step is None:
            step = self._extend(self._first, tuple(item))
        while not step.done:
            value = objects[step.at][step.name]
            if step.codes is not None:
                key: Any = value if value in step.codes else _kind(value)
            elif value.__class__ is dict:
                objects.append(value)
                key = tuple(value)
            else:
                key = None
            following = step.next.get(key)
            step = self._extend(step, key) if following is None else following
        return step.found, objects  # type: ignore[return-value]  # what is done has something found

    def _extend(self, step: _Step[Found], key: Any) -> _Step[Found]:
        """Return the step that follows, shared by all spellings of the same keys."""
        if len(step.next) >= MOST_NOTED:
            step.next.clear()
        shape = step.shape
        if step.codes is not None:
            kind: Any = key
            known = Shape(shape.keys, {**shape.codes, step.path: key}, shape.places)
        else:
            kind = None if key is None else frozenset(key) & self._wanted.keys.get(step.path, frozenset())
            keys = {**shape.keys, step.path: frozenset() if kind is None else kind}
            places = shape.places if kind is None else {**shape.places, step.path: len(shape.places)}
            known = Shape(keys, shape.codes, places)
        found = step.kinds.get(kind)
        if found is None:
            found = step.kinds[kind] = self._following(known)
        step.next[key] = found
        return found

    def _following(self, shape: Shape) -> _Step[Found]:
        for path in self._objects:
            if path not in shape.keys and shape.has(path):
                return _Step(shape, shape.places[path[:-1]], path[-1], None, path)
        for path, codes in self._wanted.codes.items():
            if path not in shape.codes and shape.has(path):
                return _Step(shape, shape.places[path[:-1]], path[-1], codes, path)
        return _Step(shape, done=True, found=self._compile(shape))


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    return ANOTHER if value.__class__ is str else ODD
