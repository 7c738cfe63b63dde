"""Finds the expressions, templates, paths and names in validated models, with their locations."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from engine.config.nodes import Location
from engine.config.words import Expression, Template
from engine.steps.contract import Written


@dataclass(frozen=True, slots=True)
class Use:
    """One text that means something: `what` is `expression`, `template`, `path`, `mapper` or `schema`."""

    what: str
    text: str
    location: Location


def uses(value: Any, location: Location = ()) -> Iterator[Use]:
    """Give every use below a model, in the order of its fields."""
    if not isinstance(value, BaseModel):
        yield from _of_value(value, None, location)
        return
    for name, field in type(value).model_fields.items():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        yield from _of_value(getattr(value, name), annotation, (*location, field.alias or name))


def _of_value(value: Any, annotation: Any, location: Location) -> Iterator[Use]:
    if isinstance(value, BaseModel):
        yield from uses(value, location)
    elif isinstance(value, Expression):
        yield Use("expression", value, location)
    elif isinstance(value, Template):
        yield Use("template", value, location)
    elif isinstance(value, str):
        what = _written(annotation)
        if what:
            yield Use(what, value, location)
    elif isinstance(value, dict):
        for_key, for_value = _inner(annotation, 2)
        for key, child in value.items():
            yield from _of_value(key, for_key, (*location, key, "[key]"))
            yield from _of_value(child, for_value, (*location, key))
    elif isinstance(value, list | tuple):
        for_item = _inner(annotation, 1)[0]
        for index, child in enumerate(value):
            yield from _of_value(child, for_item, (*location, index))


def _written(annotation: Any) -> str:
    """Return what a text of this type is for, "" where it is only text."""
    for choice in _choices(annotation):
        if get_origin(choice) is Annotated:
            for mark in choice.__metadata__:
                if isinstance(mark, Written):
                    return mark.what
    return ""


def _inner(annotation: Any, count: int) -> tuple[Any, ...]:
    """Return the types of keys and values, or of items; None for each where they are not known."""
    for choice in _choices(annotation):
        plain = get_args(choice)[0] if get_origin(choice) is Annotated else choice
        if get_origin(plain) in (dict, list, tuple):
            given = tuple(argument for argument in get_args(plain) if argument is not Ellipsis)
            if len(given) >= count:
                return given
    return (None,) * count


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
