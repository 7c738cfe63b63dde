"""Writes references into a document that is being made: one function for each path, quick in the usual case."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.mapping.fhir.bundle import EACH
from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.pointing import NOT_THERE, conditions, is_plain
from engine.mapping.fhir.referring import point
from engine.mapping.fhir.rendering import rendered
from engine.mapping.fhir.sketching import Hole
from engine.mapping.rules import FhirPath, Selector
from engine.mapping.writing_code import Code

Refer = Callable[[Any, str], None]
"""Takes the resource, or the place of an item, and the address of the resource that it is to refer to."""


@lru_cache(maxsize=1024)
def referrer(path: FhirPath, required: tuple[Required, ...] = ()) -> Refer:
    """Return the function that writes a reference at a path; `required` is what an item must have that it makes."""
    if len(path) == 1:
        return _element(path)
    if len(path) == 2 and path[1] == EACH:
        return _each(path)
    second = path[1]
    if EACH not in path and (second == 0 or (isinstance(second, Selector) and is_plain(second))):
        return _chosen(path, required)
    return _general(path, required)


def _general(path: FhirPath, required: tuple[Required, ...] = ()) -> Refer:
    def refer(source: Any, url: str) -> None:
        if isinstance(source, dict):
            point(source, path, {"reference": url}, required)

    return refer


def _element(path: FhirPath) -> Refer:
    name: Any = path[0]
    general = _general(path)

    def refer(source: Any, url: str) -> None:
        if source.__class__ is dict and name not in source:
            source[name] = {"reference": url}
        else:
            general(source, url)

    return refer


def _each(path: FhirPath) -> Refer:
    name: Any = path[0]
    general = _general(path)

    def refer(source: Any, url: str) -> None:
        listed = source.get(name) if source.__class__ is dict else ()
        if listed is None:
            source[name] = [{"reference": url}]
        elif listed and listed.__class__ is list and listed[-1].get("reference", url) != url:
            listed.append({"reference": url})  # the resource is new: only just now it may have been told
        else:
            general(source, url)

    return refer


def _chosen(path: FhirPath, required: tuple[Required, ...]) -> Refer:
    """Return the function for a path whose list, or the item in it, is usually not there yet."""
    name, second = path[:2]
    made: dict[str, Any] = {}
    point(made, path, {"reference": Hole("url")}, required)
    code = Code(general=_general(path, required))
    item = rendered(made[str(name)][0], {}, code.constant)
    with code.block("def refer(source, url):"):
        code.line(f"listed = source.get({name!r}) if source.__class__ is dict else ()")
        with code.block("if listed is None:"):
            code.line(f"source[{name!r}] = [{item}]")
            code.line("return")
        if isinstance(second, Selector):
            with code.block(
                "if listed.__class__ is list and (len(listed) > 1 or 'extension' not in listed[0]):"
            ):
                with code.block("for one in listed:"):
                    with code.block("try:"):
                        code.line(f"if {conditions(second)}: break")
                    code.line(f"except {NOT_THERE}: continue")
                with code.block("else:"):
                    code.line(f"listed.append({item})")
                    code.line("return")
        code.line("general(source, url)")
    found: Refer = code.compiled("references")("refer")
    return found
