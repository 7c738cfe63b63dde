"""What one format cannot say of an event that another said: kept with the complement, laid under what returns.

An event that came from HL7 v2 and comes back from FHIR lacks the leaves for which the mapper has no place in FHIR.
Without them they would count as deleted. So they are kept, and put back where the answer left their place open; a leaf
that FHIR could have said, and did not say any more, stays deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.mapping.rules import Path, Scope

_PLAIN = ("",)
"""Path of the only leaf of a list whose items are values."""


class Places(dict[str, "Place"]):
    """The keys of an object; a format has a place for all that stands below those that are `whole`."""

    __slots__ = ("whole",)

    def __init__(self) -> None:
        super().__init__()
        self.whole: frozenset[str] = frozenset()

    def seal(self) -> None:
        """Find what of all below has a place in the format: it is asked of every message."""
        for each in self.values():
            each.seal()
        self.whole = frozenset(key for key, each in self.items() if each.whole)


@dataclass(slots=True)
class Place:
    """A key of an event: a leaf that has a place in a format or not, an object, or a list of either."""

    has: bool = False
    many: bool = False
    key: Path | None = None
    inner: Places = field(default_factory=Places)
    told: bool = False
    whole: bool = False

    def seal(self) -> None:
        """Find whether anything below has a place in the format, and whether all has."""
        self.inner.seal()
        self.told = self.has or any(each.told for each in self.inner.values())
        self.whole = all(each.whole for each in self.inner.values()) if self.inner else self.has


def places_of(scope: Scope, side: str) -> Places:
    """Return what a scope of a mapper holds, by its keys, and what of it has a place in `side`."""
    found = _places(scope, side)
    found.seal()
    return found


def _places(scope: Scope, side: str) -> Places:
    found = Places()
    for leaf in scope.leaves:
        at = _at(found, leaf.path)
        at.has = at.has or bool(getattr(leaf, side))
    for many in scope.lists:
        at = _at(found, many.path)
        at.many, at.key = at.many or many.many, many.key or at.key
        for name, place in _places(many.scope, side).items():
            if (name,) == _PLAIN:
                at.has = at.has or place.has
            else:
                _join(at.inner, name, place)
    return found


def remainder(data: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return the part of an event that a format has no place for; items of lists stay where they are."""
    found: dict[str, Any] = {}
    whole = places.whole
    for key, value in data.items():
        if key in whole:
            continue
        place = places.get(key)
        if place is None or not place.told:
            found[key] = value
        elif value.__class__ is dict:
            if not place.inner.whole.issuperset(value) and (rest := remainder(value, place.inner)):
                found[key] = rest
        elif value.__class__ is list and place.inner and (items := _left_of(value, place.inner)):
            found[key] = [
                {"key": _value(item, place.key), "rest": rest}
                for item, rest in zip(value, items, strict=True)
            ]
    return found


def _left_of(items: list[Any], places: Places) -> list[dict[str, Any]]:
    """Return what is left of each item; nothing where it is nothing of all."""
    for item in items:
        if item.__class__ is dict and not places.whole.issuperset(item):
            found = [remainder(each, places) if each.__class__ is dict else {} for each in items]
            return found if any(found) else []
    return []


def laid_under(back: Mapping[str, Any], rest: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return an event that came back, with what its format had no place for; neither argument is changed."""
    made = dict(back)
    for key, value in rest.items():
        place = places.get(key)
        if place is None or not place.told:
            made.setdefault(key, value)
        elif isinstance(value, dict):
            under = made.get(key, {})
            made[key] = laid_under(under, value, place.inner) if isinstance(under, dict) else under
        elif isinstance(made.get(key), list):
            made[key] = _items(made[key], value, place)
    return made


def _items(back: list[Any], rest: list[Any], place: Place) -> list[Any]:
    """Lay items under those that came back: by their key, else by position where no item came or went."""
    if place.key is not None:
        known = {told: each["rest"] for each in rest if (told := each["key"]) is not None}
        return [_item(item, known.get(_value(item, place.key)), place) for item in back]
    if len(back) != len(rest):
        return back
    return [_item(item, each["rest"], place) for item, each in zip(back, rest, strict=True)]


def _item(back: Any, rest: Mapping[str, Any] | None, place: Place) -> Any:
    return laid_under(back, rest, place.inner) if isinstance(back, dict) and rest else back


def _value(item: Any, path: Path | None) -> Any:
    """Return a plain value at a path, None where there is none."""
    for step in path or ():
        item = item.get(step) if isinstance(item, dict) else None
    return item if path and isinstance(item, str | int) else None


def _at(found: Places, path: Path) -> Place:
    here = found.setdefault(path[0], Place())
    for step in path[1:]:
        here = here.inner.setdefault(step, Place())
    return here


def _join(found: Places, name: str, place: Place) -> None:
    """Put a place beside one of the same name: rules of several conditions share a path."""
    known = found.setdefault(name, place)
    if known is place:
        return
    known.has, known.many, known.key = (
        known.has or place.has,
        known.many or place.many,
        known.key or place.key,
    )
    for key, inner in place.inner.items():
        _join(known.inner, key, inner)
