"""Validates a tree with a model and tells what is wrong at the place where it was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config.nodes import Node, locate, locate_key, nearest
from engine.config.plugins import Plugins
from engine.config.reading import kind
from engine.config.suggest import did_you_mean
from engine.config.text import Text, shown
from engine.errors import Problem

Model = TypeVar("Model", bound=BaseModel)

_SHAPES = {
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}
_PARSES = {"int_parsing": "a whole number", "float_parsing": "a number", "bool_parsing": "true or false"}


def validate(model: type[Model], tree: Node, plugins: Plugins, problems: list[Problem]) -> Model | None:
    """Return the tree as `model`; None with all problems added where it is not one."""
    try:
        return model.model_validate(tree, context=plugins)
    except ValidationError as error:
        problems.extend(explain(error, tree))
        return None


def explain(error: ValidationError, tree: Node) -> list[Problem]:
    """Translate pydantic's findings about `tree` into problems, in the order of the file."""
    items = error.errors(include_url=False)
    told = [_problem(item, tree) for item in items if not _follows(item, items, tree)]
    return sorted(told, key=lambda problem: (problem.file, problem.line, problem.column))


def _follows(item: Any, items: Sequence[Any], tree: Node) -> bool:
    """Tell whether a finding only follows from another: the list is short because its items are wrong."""
    written = nearest(tree, item["loc"])
    if isinstance(written, Text) and written.filling and written.filling.failed:
        return True
    depth = len(item["loc"])
    return item["type"] == "too_short" and any(
        other["loc"][:depth] == item["loc"] and len(other["loc"]) > depth for other in items
    )


def _problem(item: Any, tree: Node) -> Problem:
    location: Sequence[str | int] = item["loc"]
    help = str((item.get("ctx") or {}).get("help", ""))
    if item["type"] == "unknown_key":
        return locate_key(tree, location).problem(item["msg"], help=help)
    if item["type"] == "extra_forbidden":
        return locate_key(tree, location).problem(f'unknown key "{location[-1]}"')
    if item["type"] == "missing":
        return locate(tree, location[:-1]).problem(f'the key "{location[-1]}" is missing')
    written = nearest(tree, location)
    if isinstance(written, Text) and written.filling and not help:
        help = "as it is filled in"
    message, better = _value_problem(item, location)
    return locate(tree, location).problem(message, help=better or help)


def _value_problem(item: Any, location: Sequence[str | int]) -> tuple[str, str]:
    """Return what is wrong with a value, in our words where pydantic found it, and what to write instead."""
    what, value, context = item["type"], item["input"], item.get("ctx") or {}
    if what == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return _told(value, f'a value of "{location[-1]}"'), _choice(value, allowed)
    if what in _SHAPES:
        return f"expected {_SHAPES[what]}, found {kind(value)}", ""
    if what in _PARSES:
        return _told(value, _PARSES[what]), ""
    if what in ("too_short", "string_too_short") and not value:
        return "nothing is given here", ""
    if what in ("value_error", "assertion_error"):
        return str(context.get("error", item["msg"])), ""
    return item["msg"], ""


def _told(value: object, noun: str) -> str:
    return (
        f'"{shown(value)}" is not {noun}'
        if isinstance(value, str) and value
        else f"expected {noun}, found {kind(value)}"
    )


def _choice(value: object, allowed: Sequence[str]) -> str:
    meant = did_you_mean(str(value), allowed) if isinstance(value, str) else ""
    return f'did you mean "{meant}"?' if meant else "write " + " or ".join(allowed)
