"""Whether a resource is built as R4 says: elements, cardinality, types, forms, required codes, references.

Checkers are compiled from the definitions once for each type, on its first use. What invariants (FHIRPath) and
profiles ask beyond that is not looked at, but for the rules of Bundles. Faults never hold a value.
Source: HL7 FHIR R4 2.6.2 (JSON), 2.24 (data types), 2.41 (extensions, ext-1), 2.3.0.3 (contained), 2.36.4 (Bundle).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import zip_longest
from typing import Any

from engine.codecs.fhir.bundles import check_bundle, is_closed
from engine.codecs.fhir.definitions import Binding, Element, children, is_primitive, resource_types
from engine.codecs.fhir.findings import At, Enough, Findings, Scope
from engine.codecs.fhir.pointing import check_reference
from engine.codecs.fhir.primitives import JUDGES, Flaw, Judge
from engine.model import Fault

Rule = Callable[[Any, At, Mapping[str, Any], Findings], None]
"""Checks one JSON member: its value, its place, the object that holds it."""


def structural_faults(resource: Any, limit: int = 100) -> tuple[Fault, ...]:
    """Return what is wrong with a resource or a Bundle (JSON values as the codec reads them), at most `limit`.

    `path` is a path of the codec (`Patient.name[0].family`); `code` one of `unknown`, `cardinality`, `type`, `format`,
    `binding`, `choice`, `reference`, `empty`, `extension`, `contained`, `bundle`, `resource`. A text names no value.
    Nesting is bounded by what the codec reads (64); what was built otherwise must not hold itself.
    """
    found = Findings(limit)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    with suppress(Enough):
        _resource(resource, (None, kind if isinstance(kind, str) and kind else "resource"), {}, found)
    return tuple(found.faults)


@dataclass(frozen=True, slots=True)
class _Structure:
    """The compiled rules of one content: a type or a backbone."""

    name: str
    rules: Mapping[str, Rule]
    required: tuple[str, ...]
    choices: tuple[tuple[str, frozenset[str], bool], ...]
    """(choice, the JSON names that it can have, whether one of them must be there)."""

    def check(self, value: Any, at: At, found: Findings) -> None:
        if not isinstance(value, dict):
            _no_object(value, at, found)
            return
        if len(value) < 2 and value.keys() <= _NO_CONTENT:
            found.add(at, "an empty object is no value: leave the element out", "empty")
        rules = self.rules
        for name, item in value.items():
            rule = rules.get(name)
            if rule is None:
                self._unknown(name, at, found)
            else:
                rule(item, (at, name), value, found)
        for name in self.required:
            if name not in value and f"_{name}" not in value:
                found.add((at, name), f"{name} is missing: {self.name} needs it", "cardinality")
        for choice, names, needed in self.choices:
            self._choose(value.keys() & names, choice, needed, at, found)

    def _choose(self, there: set[str], choice: str, needed: bool, at: At, found: Findings) -> None:
        if len(there) > 1 and len({name.removeprefix("_") for name in there}) > 1:
            found.add(at, f"{choice} stands here twice: {' and '.join(sorted(there))}", "choice")
        elif needed and not there:
            found.add((at, choice), f"{choice} is missing: {self.name} needs it", "cardinality")

    def _unknown(self, name: str, at: At, found: Findings) -> None:
        near = get_close_matches(name[:64], self.rules, n=1)
        told = f"R4 has no such element in {self.name}"
        found.add((at, name), f"{told}: {near[0]}?" if near else told, "unknown")


_NO_CONTENT = frozenset({"id"})


@cache
def _structure(content: str) -> _Structure:
    known = children(content)
    rules: dict[str, Rule] = {name: _rule(item, name) for name, item in known.items()}
    for name, item in known.items():
        if is_primitive(item.types[0]):
            rules[f"_{name}"] = _siblings(name) if item.repeats else _sibling
    if content in resource_types():
        rules["resourceType"] = _accepted
    choices: dict[str, tuple[set[str], bool]] = {}
    for name, item in known.items():
        if item.choice:
            choices.setdefault(item.choice, (set(), item.min > 0))[0].update((name, f"_{name}"))
    return _Structure(
        content,
        rules,
        tuple(name for name, item in known.items() if item.min and not item.choice),
        tuple((choice, frozenset(names), needed) for choice, (names, needed) in choices.items()),
    )


# --------------------------------------------------------------------------- elements


def _rule(item: Element, name: str) -> Rule:
    """Compile the check of one element as it stands in JSON under `name`."""
    kind = item.types[0]
    if is_primitive(kind):
        one = _primitive(JUDGES[kind], item.binding)
        return _many(_unless_null(one, name)) if item.repeats else one
    one = _complex(item)
    if item.binding is not None and item.binding.coded:
        one = _coded(one, item.binding)
    return _many(one) if item.repeats else one


def _primitive(judge: Judge, binding: Binding | None) -> Rule:
    codes = binding.codes if binding else None

    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        flaw = judge(value)
        if flaw is not None:
            _flawed(value, flaw, at, found)
        elif codes is not None and value not in codes:
            assert binding is not None
            found.add(at, f"none of the codes of {binding.value_set}", "binding")

    return check


def _complex(item: Element) -> Rule:
    content, targets = item.content, item.targets
    if item.path == "DomainResource.contained":
        return _contained
    if content == "Resource":
        return _resource
    if content == "Extension":
        return _extension

    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        _structure(content).check(value, at, found)

    def check_pointing(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        _structure(content).check(value, at, found)
        if isinstance(value, dict):
            check_reference(value, at, targets, found)

    return check_pointing if content == "Reference" else check


def _coded(one: Rule, binding: Binding) -> Rule:
    """Add that a CodeableConcept has one of the required codes, or that a Coding is one of them."""

    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        one(value, at, holder, found)
        if not isinstance(value, dict):
            return
        codings = value.get("coding") if "coding" in value else [value]
        if not any(
            _pair(coding) in binding.coded for coding in (codings if isinstance(codings, list) else ())
        ):
            found.add(at, f"no coding of {binding.value_set}", "binding")

    return check


def _pair(coding: Any) -> tuple[str, str]:
    """Return system and code of a Coding; empty texts, which no value set has, where they are none."""
    system, code = (coding.get("system"), coding.get("code")) if isinstance(coding, dict) else ("", "")
    return (system, code) if isinstance(system, str) and isinstance(code, str) else ("", "")


def _many(one: Rule) -> Rule:
    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        if not isinstance(value, list):
            found.add(at, "this repeats: a list is expected here", "cardinality")
            return
        if not value:
            found.add(at, "an empty list is no value: leave the element out", "empty")
        for index, item in enumerate(value):
            one(item, (at, index), holder, found)

    return check


def _unless_null(one: Rule, name: str) -> Rule:
    """Let null stand in a list of primitive values where `_name` says something at the same place (R4 2.6.2.3)."""

    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        if value is None:
            beside = holder.get(f"_{name}")
            index = at[1]
            if (
                isinstance(beside, list)
                and isinstance(index, int)
                and beside[index : index + 1] not in ([], [None])
            ):
                return
        one(value, at, holder, found)

    return check


# --------------------------------------------------------------------------- siblings of primitive values


def _sibling(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
    """Check `_birthDate`."""
    _beside(holder.get(str(at[1])[1:]), value, at, found)


def _siblings(name: str) -> Rule:
    """Compile the check of `_given`."""

    def check(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
        if not isinstance(value, list):
            found.add(at, "this repeats: a list is expected here", "cardinality")
            return
        listed = holder.get(name)
        values = listed if isinstance(listed, list) else [None] * len(value)
        if len(values) != len(value):
            found.add(at, f"{name} has another length: fill both lists up with null", "cardinality")
        if all(item is None for item in value):
            found.add(at, "an empty list is no value: leave the element out", "empty")
        for index, (item, beside) in enumerate(zip_longest(value, values[: len(value)])):
            if item is not None:
                _beside(beside, item, (at, index), found)

    return check


def _beside(value: Any, sibling: Any, at: At, found: Findings) -> None:
    """Check the id and extensions of a primitive value; with a value an id alone is enough."""
    element = _structure("Element")
    if value is not None and isinstance(sibling, dict) and sibling.keys() == _NO_CONTENT:
        element.rules["id"](sibling["id"], (at, "id"), sibling, found)
    else:
        element.check(sibling, at, found)


# --------------------------------------------------------------------------- resources and extensions


def _resource(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
    """Check a resource that stands for itself: the root, a Bundle's entry, a parameter."""
    outer = found.scope
    if outer is None or not isinstance(value, dict) or _is_bundle(value) or not _is_bundle(outer.root):
        found.scope = Scope(value, is_closed(value), value) if isinstance(value, dict) else outer
        _typed(value, at, found)
        if isinstance(value, dict) and _is_bundle(value):
            check_bundle(value, at, found)
    else:
        source, outer.source = outer.source, value
        _typed(value, at, found)
        outer.source = source
    found.scope = outer


def _contained(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
    """Check a contained resource: R4 2.3.0.3, dom-2."""
    if isinstance(value, dict):
        if "contained" in value:
            found.add((at, "contained"), "a contained resource contains no others", "contained")
        if "id" not in value:
            found.add((at, "id"), "a contained resource needs an id, to be referred to", "contained")
    if found.scope is not None and isinstance(value, dict):
        source, found.scope.source = found.scope.source, value
        _typed(value, at, found)
        found.scope.source = source
    else:
        _typed(value, at, found)


def _typed(value: Any, at: At, found: Findings) -> None:
    if not isinstance(value, dict):
        _no_object(value, at, found)
        return
    kind = value.get("resourceType")
    if isinstance(kind, str) and kind in resource_types():
        _structure(kind).check(value, at, found)
    else:
        found.add(
            (at, "resourceType"), "R4 has no such resource" if kind else "resourceType is missing", "resource"
        )


def _is_bundle(value: Mapping[str, Any]) -> bool:
    return value.get("resourceType") == "Bundle"


def _extension(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
    """Check that an extension has either a value or extensions of its own (ext-1)."""
    structure = _structure("Extension")
    structure.check(value, at, found)
    if isinstance(value, dict):
        valued = bool(value.keys() & structure.choices[0][1])
        if valued and "extension" in value:
            found.add(at, "an extension has a value or extensions of its own, not both", "extension")
        elif not valued and "extension" not in value:
            found.add(at, "an extension has a value or extensions of its own", "extension")


def _accepted(value: Any, at: At, holder: Mapping[str, Any], found: Findings) -> None:
    """Take `resourceType`, by which the structure was chosen."""


# --------------------------------------------------------------------------- what is of the wrong kind


def _no_object(value: Any, at: At, found: Findings) -> None:
    if isinstance(value, list):
        found.add(at, "this does not repeat: one object is expected here", "cardinality")
    else:
        found.add(at, "an object is expected here", "type")


def _flawed(value: Any, flaw: Flaw, at: At, found: Findings) -> None:
    if isinstance(value, list):
        found.add(at, "this does not repeat: one value is expected here", "cardinality")
    else:
        found.add(at, flaw.text, flaw.code)
