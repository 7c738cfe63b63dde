"""The published functions: pure, bounded, and the only ones that an expression can call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from engine.expressions.function import Function
from engine.expressions.functions import choices, dates, encodings, numbers, texts

_GROUPS = {
    "choices and lookups": choices.FUNCTIONS,
    "texts and lists": texts.FUNCTIONS,
    "dates and times": dates.FUNCTIONS,
    "numbers": numbers.FUNCTIONS,
    "encodings and hashes": encodings.FUNCTIONS,
}

FUNCTIONS: Mapping[str, Function] = {
    function.name: function for functions in _GROUPS.values() for function in functions
}


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """One function as the reference documentation shows it."""

    group: str
    name: str
    usage: str
    description: str


def function_reference() -> tuple[FunctionReference, ...]:
    """Return the reference of all published functions, by group."""
    return tuple(
        FunctionReference(group, function.name, function.usage, inspect.getdoc(function.call) or "")
        for group, functions in _GROUPS.items()
        for function in functions
    )
