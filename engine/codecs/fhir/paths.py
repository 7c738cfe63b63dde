"""Paths into FHIR resources: those of JSON, checked against R4 where they begin with a resource type.

`Patient.name[use == "usual"].family`, `Patient.extension[url == "http://x.example/y"].valueString`,
`Bundle.entry[*].resource.id`. Such a path finds nothing in a resource of another type. Without the type
(`name[0].family`, `id`) a path reads whatever there is: of its names it is only known that R4 has them somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from engine.codecs.fhir.definitions import Element, children, element, element_names, resource_types
from engine.codecs.json import JsonPath
from engine.codecs.json import compile_path as compile_json
from engine.codecs.json.steps import Key, PathStep, Where
from engine.errors import ExpressionError, Rejected
from engine.model import Fault
from engine.spi import Getter

_TYPE = re.compile(r"[A-Z]\w*")


@dataclass(frozen=True, slots=True)
class FhirPath:
    """A compiled path; `kind` is the resource type that it begins with, "" for any."""

    text: str
    kind: str
    below: JsonPath
    get: Getter = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Write a copy of `value` in place, as a JSON path does; Rejected also in a resource of another type."""
        if not self._fits(root):
            why = f"cannot be set: the resource is no {self.kind}"
            raise Rejected(
                f"{self.text}: {why}", faults=(Fault(self.text, why, "unsettable"),), code="unsettable"
            )
        self.below.set(root, value)

    def remove(self, root: Any) -> None:
        """Take what is there out in place; nothing happens to a resource of another type."""
        if self._fits(root):
            self.below.remove(root)

    def _fits(self, root: Any) -> bool:
        return not self.kind or (isinstance(root, dict) and root.get("resourceType") == self.kind)

    def __str__(self) -> str:
        return f"{self.kind}.{self.below}" if self.kind else str(self.below)


def compile_path(text: str) -> FhirPath:
    """Compile a path.

    Raises:
        ExpressionError: it is none, R4 has no such resource or element, or an element that repeats is not said which.
    """
    start = _TYPE.match(text)
    if start is None:
        below = compile_json(text)
        _check_names(text, 0, below.steps)
        return FhirPath(text, "", below, below.get)
    kind = start[0]
    if kind not in resource_types():
        raise ExpressionError(
            f"R4 has no resource {kind}", length=len(kind), help="it is written as in Patient"
        )
    if text[start.end() : start.end() + 1] != ".":
        told = f"write an element of it, for example {kind}.id"
        raise ExpressionError("the path ends at a resource type", length=len(text), help=told)
    compile_json(text)  # offsets of what is wrong count from the start of the whole
    below = compile_json(text[start.end() + 1 :])
    _check(text, start.end() + 1, kind, below.steps)
    return FhirPath(text, kind, below, _getter(kind, below.get))


def _getter(kind: str, inner: Getter) -> Getter:
    def get(root: Any) -> Any:
        try:
            return inner(root) if root["resourceType"] == kind else ""
        except (KeyError, TypeError):
            return ""

    return get


def _check_names(text: str, position: int, steps: Sequence[PathStep]) -> None:
    """Refuse names that R4 has nowhere, where it is not known what they stand in."""
    for step in steps:
        if isinstance(step, Key):
            position = max(position, text.find(step.name, position))
            if step.name.removeprefix("_") not in element_names():
                near = get_close_matches(step.name, element_names(), n=1)
                told = (
                    f"did you mean {near[0]}?"
                    if near
                    else "a document with other names is read by the codec json"
                )
                what = f"R4 has no element {step.name}"
                raise ExpressionError(what, offset=position, length=len(step.name), help=told)
            position += len(step.name)


def _check(text: str, position: int, kind: str, steps: Sequence[PathStep]) -> None:
    """Refuse what R4 does not have; in a resource of any type, unless a selector names it, only what it has nowhere."""
    at = element(kind)
    whole = False  # a list stands there of which no item was named
    chosen = ""  # the type of resource that a selector asked for
    for number, step in enumerate(steps):
        if at is not None and at.content == "Resource" and chosen and not whole:
            at, chosen = element(chosen), ""
        if at is None or (at.content == "Resource" and not whole):
            _check_names(text, position, steps[number:])
            return
        if isinstance(step, Key):
            if whole:
                told = f"write {_name(at)}[0], {_name(at)}[*] or a selector"
                raise ExpressionError(f"{_name(at)} repeats", offset=position - 1, help=told)
            position = max(position, text.find(step.name, position))
            at = _below(at, step.name, position)
            position += len(step.name)
            whole = at is not None and at.repeats
            continue
        if not whole:
            raise ExpressionError("this does not repeat", offset=position, help="leave the brackets out")
        chosen = _chosen(text, position, step) if isinstance(step, Where) else ""
        if isinstance(step, Where) and at.content != "Resource":
            _check_conditions(text, position, at, step)
        position = text.find("]", position) + 1
        whole = False


def _chosen(text: str, position: int, where: Where) -> str:
    """Return the type that `[.resource.resourceType == "Patient"]` asks for, "" where none is named."""
    for condition in where.conditions:
        if condition.steps[-1].name == "resourceType" and condition.equal:
            kind = str(condition.literal)
            if kind not in resource_types():
                raise ExpressionError(
                    f"R4 has no resource {kind}", offset=text.find(kind, position), length=len(kind)
                )
            return kind
    return ""


def _check_conditions(text: str, position: int, at: Element, where: Where) -> None:
    for condition in where.conditions:
        found: Element | None = at
        for number, key in enumerate(condition.steps):
            if found is None or (number and found.content == "Resource"):
                break
            if number and found.repeats:
                raise ExpressionError(f"{_name(found)} repeats: no selector looks into it", offset=position)
            position = max(position, text.find(key.name, position))
            found = _below(found, key.name, position)


def _below(at: Element, name: str, offset: int) -> Element | None:
    """Return an element's child; None where it ends (`resourceType`), ExpressionError where R4 has none."""
    known = children(at.content)
    if name in known:
        return known[name]
    if name == "resourceType" and at.content in resource_types():
        return None
    found = element(f"{at.content}.{name}") if name.startswith("_") and at.content else None
    if found is None:
        told = f"there are {', '.join(sorted(known))}" if known else "its value is a plain one"
        what = f"R4 has no {name} in {at.content or at.path}"
        raise ExpressionError(what, offset=offset, length=len(name), help=told)
    return found


def _name(at: Element) -> str:
    return at.path.rpartition(".")[2]
