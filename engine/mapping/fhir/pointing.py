"""Generates what looks at a place of JSON: the tests of a selector, and the way that a path leads."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.mapping.fhir.values import json_at
from engine.mapping.rules import FhirPath, Selector
from engine.mapping.v2.cells import ABSENT
from engine.mapping.writing_code import Code

Look = Callable[[Any], Any]
NOT_THERE = "(KeyError, IndexError, TypeError)"
"""What looking at a place raises that is not there; a text on the way has no keys, a list no names."""


def is_plain(selector: Selector) -> bool:
    """Say whether all conditions are texts at plain paths."""
    return all(
        text not in ("true", "false") and not any(isinstance(step, Selector) for step in path)
        for path, text in selector.conditions
    )


def conditions(selector: Selector) -> str:
    """Return the test for an object `one` to meet a plain selector."""
    return " and ".join(f"one{_steps(path)} == {text!r}" for path, text in selector.conditions)


def _steps(path: FhirPath) -> str:
    return "".join(f"[{step!r}]" for step in path)


@lru_cache(maxsize=1024)
def pointer(path: FhirPath) -> Look:
    """Return what gives the object at a path, ABSENT where there is none."""
    if not all(isinstance(step, str | int) or is_plain(step) for step in path):
        return lambda node: json_at(node, path)
    code = Code(ABSENT=ABSENT)
    with code.block("def look(node):"):
        with code.block("try:"):
            for step in path:
                if isinstance(step, Selector):
                    with code.block("for one in node:"):
                        with code.block("try:"):
                            code.line(f"if {conditions(step)}: break")
                        code.line(f"except {NOT_THERE}: pass")
                    code.line("else: return ABSENT")
                    code.line("node = one")
                else:
                    code.line(f"node = node[{step!r}]")
            code.line("return node if node.__class__ is dict else ABSENT")
        code.line(f"except {NOT_THERE}: return ABSENT")
    found: Look = code.compiled("paths")("look")
    return found
