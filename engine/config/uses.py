"""Finds the expressions, templates, paths and names in validated models, with their locations."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the type of a field says about texts in it: of the value itself, of keys, of values or items."""

    what: str = ""
    keys: _Plan | None = None
    items: _Plan | None = None


_NOTHING = _Plan()


def uses(model: BaseModel, location: Location = ()) -> Iterator[Use]:
    """Give every use below a model, in the order of its fields."""
    for name, key, plan in _fields(type(model)):
        value = getattr(model, name)
        if value is not None:
            yield from _of_value(value, plan, (*location, key))


def _of_value(value: Any, plan: _Plan, location: Location) -> Iterator[Use]:
    if isinstance(value, str):
        what = _of_text(value) or plan.what
        if what:
            yield Use(what, value, location)
    elif isinstance(value, BaseModel):
        yield from uses(value, location)
    elif isinstance(value, dict):
        for key, child in value.items():
            if plan.keys:
                yield from _of_value(key, plan.keys, (*location, key, "[key]"))
            yield from _of_value(child, plan.items or _NOTHING, (*location, key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _of_value(child, plan.items or _NOTHING, (*location, index))


def _of_text(value: str) -> str:
    """Return what a text is by its own type."""
    if isinstance(value, Expression):
        return "expression"
    return "template" if isinstance(value, Template) else ""


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, _Plan], ...]:
    """Return the attribute, the key and the plan of each field that may hold a use."""
    found = []
    for name, field in model.model_fields.items():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        if _may_hold(annotation):
            found.append((name, field.alias or name, _plan(annotation)))
    return tuple(found)


def _may_hold(annotation: Any) -> bool:
    """Tell whether a value of this type may be, or hold, a use."""
    if get_origin(annotation) is Annotated and any(
        isinstance(mark, Written) for mark in annotation.__metadata__
    ):
        return True
    if isinstance(annotation, type):
        return issubclass(annotation, BaseModel | Expression | Template)
    return annotation is Any or any(_may_hold(argument) for argument in get_args(annotation))


def _plan(annotation: Any) -> _Plan:
    if get_origin(annotation) is Annotated:
        for mark in annotation.__metadata__:
            if isinstance(mark, Written):
                return _Plan(mark.what)
        return _plan(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        plans = [_plan(choice) for choice in get_args(annotation)]
        return next((plan for plan in plans if plan != _NOTHING), _NOTHING)
    arguments = [_plan(argument) for argument in get_args(annotation) if argument is not Ellipsis]
    if get_origin(annotation) is dict and len(arguments) == 2:
        return _Plan(keys=arguments[0] if arguments[0] != _NOTHING else None, items=arguments[1])
    if get_origin(annotation) in (list, tuple) and arguments:
        return _Plan(items=arguments[0])
    return _NOTHING
