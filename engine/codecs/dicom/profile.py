"""The Basic Application Level Confidentiality Profile and its options: what is to be done with each attribute.

The table `confidentiality.tsv` holds table E.1-1. Where it leaves a choice that hangs on the object's type, the one is
taken that keeps every object valid: empty rather than removed, a dummy rather than empty.
Source: DICOM PS3.15 2024b E.1.1, E.2, E.3; PS3.16 CID 7050 (codes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

EDITION: Final = "2024b"

Option = Literal[
    "retain_uids",
    "retain_device_identity",
    "retain_institution_identity",
    "retain_patient_characteristics",
    "retain_full_dates",
    "retain_modified_dates",
    "clean_descriptors",
    "clean_structured_content",
]
BASIC: Final = ("113100", "Basic Application Confidentiality Profile")
SAFE_PRIVATE: Final = ("113111", "Retain Safe Private Option")
CODES: Final[Mapping[str, tuple[str, str]]] = {
    "clean_structured_content": ("113104", "Clean Structured Content Option"),
    "clean_descriptors": ("113105", "Clean Descriptors Option"),
    "retain_full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "retain_modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "retain_patient_characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain_device_identity": ("113109", "Retain Device Identity Option"),
    "retain_uids": ("113110", "Retain UIDs Option"),
    "retain_institution_identity": ("113112", "Retain Institution Identity Option"),
}
"""Code value (of DCM) and meaning of each option."""

_CHOICES: Final = {"X/Z": "Z", "X/D": "D", "X/Z/D": "D", "Z/D": "D", "X/Z/U": "U"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What the profile does with one attribute, and what each option does instead."""

    basic: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile under some options.

    `actions` has one of X, Z, D, U, K, C for each attribute of the table; `groups` are those of repeating groups, by
    the high byte of the group and the element, None for all elements.
    """

    options: frozenset[str]
    actions: Mapping[int, str]
    groups: Mapping[tuple[int, int | None], str]

    @classmethod
    def of(cls, options: Iterable[str] = ()) -> Profile:
        """Return the profile under options."""
        chosen = frozenset(options)
        plain = {name: _action(rule, chosen) for name, rule in table().items()}
        actions = {int(name, 16): action for name, action in plain.items() if "X" not in name}
        groups = {_repeating(name): action for name, action in plain.items() if "X" in name}
        return cls(chosen, actions, groups)

    def action(self, tag: int) -> str:
        """Return what is to be done with a standard attribute, "" where the profile lets it be."""
        found = self.actions.get(tag)
        if found is None and self.groups:
            high = tag >> 24
            found = self.groups.get((high, tag & 0xFFFF)) or self.groups.get((high, None))
        return found or ""


@cache
def table() -> Mapping[str, Rule]:
    """Return table E.1-1 by tag, eight hexadecimal digits; X stands for any digit of a repeating group."""
    text = files("engine.codecs.dicom").joinpath("confidentiality.tsv").read_text("utf-8")
    found = {}
    for line in text.splitlines():
        if not line.startswith(";"):
            tag, basic, *options = line.split("\t")
            found[tag] = Rule(basic, dict(option.split("=") for option in options))
    return found


def _action(rule: Rule, chosen: frozenset[str]) -> str:
    """Return what the options make of a rule: what is cleaned for one of them is not kept whole for another."""
    asked = {action for option, action in rule.options.items() if option in chosen}
    if asked:
        return "C" if "C" in asked else "K"
    return _CHOICES.get(rule.basic, rule.basic)


def _repeating(name: str) -> tuple[int, int | None]:
    element = name[4:]
    return int(name[:2], 16), None if "X" in element else int(element, 16)
