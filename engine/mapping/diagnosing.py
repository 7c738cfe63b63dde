"""Finds which value of an event a mapper cannot write, once it failed: the fast path does not keep track."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from engine.mapping.leaves import BadValue, v2_leaf_type, write_leaf
from engine.mapping.rules import Definition, Leaf, Many, Scope

_MARKS: Any = SimpleNamespace(
    escape="\\",
    component="^",
    repetition="~",
    subcomponent="&",
    write=lambda text: text,
    read=lambda text: text,
)


def blame(definition: Definition, data: Any, error: Exception) -> tuple[str, str]:
    """Return the event path at fault and why; the path is "" where it cannot be told."""
    found = _scope(definition.scope, data, "")
    if found is not None:
        return found
    why = str(error) if isinstance(error, BadValue) else "the event has another shape than the mapper's rules"
    return "event", why


def _scope(scope: Scope, data: Any, prefix: str) -> tuple[str, str] | None:
    if not isinstance(data, Mapping):
        return prefix or "event", "an object is needed"
    for leaf in scope.leaves:
        found = _leaf(leaf, data, prefix)
        if found is not None:
            return found
    for many in scope.lists:
        found = _many(many, data, prefix)
        if found is not None:
            return found
    return None


def _value(path: tuple[str, ...], data: Any, prefix: str) -> tuple[Any, str, bool]:
    """Return what is at a path, its name, and whether something stands in the way."""
    name = prefix
    for at, key in enumerate(path):
        if not isinstance(data, Mapping):
            return None, name, True
        name = f"{name}.{key}" if name else key
        if key not in data:
            return None, name, False
        data = data[key]
        if at == len(path) - 1:
            return (data,), name, False
    return None, name, False


def _leaf(leaf: Leaf, data: Any, prefix: str) -> tuple[str, str] | None:
    value, name, blocked = _value(leaf.path, data, prefix)
    if blocked:
        return name, "an object is needed"
    if value is None or leaf.kind == "any":
        return None
    try:
        write_leaf(value[0], v2_leaf_type(leaf), _MARKS)
    except BadValue as error:
        return name, str(error)
    return None


def _many(many: Many, data: Any, prefix: str) -> tuple[str, str] | None:
    value, name, blocked = _value(many.path, data, prefix)
    if blocked:
        return name, "an object is needed"
    if value is None:
        return None
    if not many.many:
        return _scope(many.scope, value[0], name)
    if value[0] is None and many.place is not None:
        return None
    if not isinstance(value[0], list):
        return name, "a list is needed"
    for at, item in enumerate(value[0]):
        one = {"": item} if many.plain else item
        if one == {}:
            return f"{name}[{at}]", "an item of a list holds nothing"
        found = _scope(many.scope, one, f"{name}[{at}]")
        if found is not None:
            return found[0].rstrip("."), found[1]
    return None
