"""Validates a tree with a model and tells what is wrong at the place where it was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config.nodes import Node, find, locate, locate_key
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
    written = find(tree, item["loc"])
    if isinstance(written, Text) and written.filling and written.filling.failed:
        return True
    depth = len(item["loc"])
    return item["type"] == "too_short" and any(
        other["loc"][:depth] == item["loc"] and len(other["loc"]) > depth for other in items
    )


def _problem(item: Any, tree: Node) -> Problem:
    location: Sequence[str | int] = item["loc"]
    context = item.get("ctx") or {}
    help = str(context.get("help", ""))
    kind_of_error = item["type"]
    if kind_of_error in ("unknown_key", "extra_forbidden"):
        message = item["msg"] if kind_of_error == "unknown_key" else f'unknown key "{location[-1]}"'
        return locate_key(tree, location).problem(message, help=help)
    if kind_of_error == "missing":
        return locate(tree, location[:-1]).problem(f'the key "{location[-1]}" is missing')
    mark = locate(tree, location)
    value = item["input"]
    if kind_of_error == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return mark.problem(_told(value, f'a value of "{location[-1]}"'), help=_choice(value, allowed))
    if kind_of_error in _SHAPES:
        return mark.problem(f"expected {_SHAPES[kind_of_error]}, found {kind(value)}")
    if kind_of_error in _PARSES:
        return mark.problem(_told(value, _PARSES[kind_of_error]))
    if kind_of_error in ("too_short", "string_too_short"):
        return mark.problem("nothing is given here" if not value else item["msg"])
    written = find(tree, location)
    if isinstance(written, Text) and written.filling and not help:
        help = "as it is filled in"
    return mark.problem(item["msg"], help=help)


def _told(value: object, noun: str) -> str:
    return (
        f'"{shown(value)}" is not {noun}'
        if isinstance(value, str) and value
        else f"expected {noun}, found {kind(value)}"
    )


def _choice(value: object, allowed: Sequence[str]) -> str:
    meant = did_you_mean(str(value), allowed) if isinstance(value, str) else ""
    return f'did you mean "{meant}"?' if meant else "write " + " or ".join(allowed)
