"""A starting mapper from messages: one rule for each leaf that they have, named as the standard names its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.cli.hl7.tree import Branch
from engine.codecs.hl7v2.names import component_name, component_type, field_name, field_type

_LEAF: Final = re.compile(r"\w{3}(?:\[\d+\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?")
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_TYPES: Final = {"TS": "ts", "DTM": "ts", "DT": "ts", "TM": "time", "NM": "num", "SI": "int"}
_ONCE: Final = frozenset({"MSH", "EVN", "PID", "PD1", "PV1", "PV2", "SCH", "MRG"})
"""Segments that number themselves, or might, and yet come once."""
_ORDERED: Final = ("OBR", "RXE", "RXD", "RXO", "RXA")
"""What stands behind an ORC, so that both are one item."""
_PARENTS: Final[Mapping[str, Sequence[str]]] = {
    **dict.fromkeys(("OBX", "SPM", "RXR", "RXC", "TQ1", "TQ2", *_ORDERED), ("ORC", *_ORDERED)),
    **dict.fromkeys(("AIS", "AIG", "AIL", "AIP"), ("RGS",)),
    **dict.fromkeys(("IN2", "IN3"), ("IN1",)),
}
_NAMES: Final = {
    "MSH": "message", "EVN": "event", "PID": "patient", "PD1": "patientCare", "NK1": "contacts", "PV1": "visit",
    "PV2": "visitCare", "AL1": "allergies", "DG1": "diagnoses", "IN1": "insurances", "GT1": "guarantors",
    "ORC": "orders", "OBR": "orders", "OBX": "observations", "NTE": "notes", "SCH": "appointment",
    "RGS": "resourceGroups", "AIS": "services", "AIG": "resources", "AIL": "locations", "AIP": "persons",
    "TQ1": "timings", "SPM": "specimens", "FT1": "charges", "PR1": "procedures", "RXE": "prescriptions",
    "RXD": "dispenses", "RXO": "prescriptions", "RXR": "routes", "MRG": "replaced", "ROL": "roles",
}  # fmt: skip


@dataclass(slots=True)
class Part:
    """A field, or a component of one: the parts that were seen filled, and whether it was repeated."""

    repeated: bool = False
    parts: dict[int, Part] = field(default_factory=dict)

    def part(self, number: int) -> Part:
        return self.parts.setdefault(number, Part())


@dataclass(slots=True)
class Group:
    """What begins with one of `leaders` (none: the message): its segments with their fields, and the groups in it."""

    leaders: tuple[str, ...] = ()
    segments: dict[str, dict[int, Part]] = field(default_factory=dict)
    groups: dict[tuple[str, ...], Group] = field(default_factory=dict)


@dataclass(slots=True)
class Seen:
    """Everything that messages were seen to hold."""

    version: str = "2.5.1"
    messages: list[str] = field(default_factory=list)
    structure: str = ""
    order: list[str] = field(default_factory=list)
    top: Group = field(default_factory=Group)

    def add(self, kind: str, structure: str, version: str, branches: Sequence[Branch]) -> None:
        """Take one message in, but for lines that are no segments.

        `kind` is `ADT^A01`, `structure` what MSH-9.3 says.
        """
        branches = [each for each in branches if _SEGMENT.fullmatch(each.name)]
        if kind not in self.messages:
            self.messages.append(kind)
        self.structure = self.structure or structure
        self.version = version or self.version
        self.order = list(dict.fromkeys([*self.order, *(each.name for each in branches)]))
        names = {each.name for each in branches}
        total = [each.name for each in branches]
        repeated = {name for name in names if total.count(name) > 1 or self._numbers_itself(name)}
        behind = next((name for name in _ORDERED if name in names), "")
        walk = _Walk(self.top, repeated, behind if "ORC" in names else "")
        for branch in branches:
            walk.take(branch)

    def _numbers_itself(self, name: str) -> bool:
        return name == "ORC" or (name not in _ONCE and field_type(name, 1, self.version) == "SI")


class _Walk:
    """Goes through one message and knows which groups are open."""

    def __init__(self, top: Group, repeated: set[str], behind: str) -> None:
        self._open = [top]
        self._repeated = repeated
        self._behind = behind
        self._last = top

    def take(self, branch: Branch) -> None:
        name = branch.name
        if name == "NTE":
            group = self._enter(self._last, (name,))
            _collect(group, branch)
            return
        leaders = ("ORC", self._behind) if self._behind and name in ("ORC", self._behind) else (name,)
        parent = self._parent(name, leaders)
        group = self._enter(parent, leaders) if name in self._repeated or len(leaders) > 1 else parent
        self._last = group
        _collect(group, branch)

    def _parent(self, name: str, leaders: tuple[str, ...]) -> Group:
        wanted = set(_PARENTS.get(name, ())) - set(leaders)
        while len(self._open) > 1 and not wanted & set(self._open[-1].leaders):
            self._open.pop()
        return self._open[-1]

    def _enter(self, parent: Group, leaders: tuple[str, ...]) -> Group:
        group = parent.groups.setdefault(leaders, Group(leaders))
        if leaders != ("NTE",):
            self._open.append(group)
        return group


def _collect(group: Group, branch: Branch) -> None:
    fields = group.segments.setdefault(branch.name, {})
    for leaf in branch.leaves:
        found = _LEAF.fullmatch(leaf.path)
        if found is None or leaf.value is None:
            continue
        number, repetition, component, sub = (int(each) if each else 0 for each in found.groups())
        part = fields.setdefault(number, Part())
        part.repeated = part.repeated or repetition > 0
        inner = part.part(component or 1)
        if sub:
            inner.part(sub)


# --------------------------------------------------------------------------- as YAML


def mapper_text(name: str, event: str, seen: Seen) -> str:
    """Return the mapper's file."""
    kind = seen.messages[0]
    header = "^".join(each for each in (kind, seen.structure) if each)
    first = [each for each in seen.order if each != "MSH" and each in seen.top.segments]
    create = "".join(f"\\r{each}|" for each in first)
    lines = [
        "# Begun from messages: one rule for each leaf that they have. Give the event's paths the names that it should",
        "# have, add `fhir:`, and leave out what it should not carry: that stays in the complement.",
        f"mapper: {name}",
        "version: 0.1.0",
        "v2:",
        f"  messages: [{', '.join(seen.messages)}]",
        f"  order: [{', '.join(seen.order)}]",
        f'  create: "MSH|^~\\\\&|||||||{header}|||{seen.version}||||||UNICODE UTF-8{create}\\r"',
        f"events: {event}",
        "rules:",
        *_of_group(seen.top, "", seen.version),
    ]
    return "\n".join(lines) + "\n"


def _of_group(group: Group, margin: str, version: str) -> Iterator[str]:
    names = _Names()
    for segment, fields in group.segments.items():
        alone = len(group.leaders) > 0 and (segment in group.leaders or len(group.segments) == 1)
        prefix = "" if alone else f"{names.of(_NAMES.get(segment, segment.lower()))}."
        inner = names if alone else _Names()
        for number, part in sorted(fields.items()):
            if (segment, number) in _LEFT_OUT or (group.leaders and _is_number(segment, number, version)):
                continue
            said = field_name(segment, number, version)
            event = prefix + inner.of(camel(said) or f"field{number}", number)
            kind = field_type(segment, number, version)
            yield from _of_field(event, f"{segment}-{number}", part, kind, f"{margin}  ", version)
    for leaders, below in group.groups.items():
        yield from _of_list(names, leaders, below, f"{margin}  ", version)


def _of_list(
    names: _Names, leaders: tuple[str, ...], group: Group, margin: str, version: str
) -> Iterator[str]:
    written = leaders[0] if len(leaders) == 1 else f"[{', '.join(leaders)}]"
    rules = list(_of_group(group, f"{margin}  ", version))
    if not rules:
        return
    yield f"{margin}- event: {names.of(_NAMES.get(leaders[-1], f'{leaders[-1].lower()}s'))}[]"
    yield f"{margin}  v2: {{group: {written}}}"
    if _is_number(leaders[-1], 1, version):
        yield f"{margin}  number: {leaders[-1]}-1"
    yield f"{margin}  rules:"
    yield from rules


def _of_field(event: str, place: str, part: Part, kind: str, margin: str, version: str) -> Iterator[str]:
    whole = set(part.parts) == {1} and not part.parts[1].parts
    fresh = ", fresh: true" if place == "MSH-10" else ""
    if whole:
        written = f'"{event}[]"' if part.repeated else event
        simple = kind if kind in _TYPES else component_type(kind, 1, version)
        yield f"{margin}- {{event: {written}, v2: {place}{_typed(simple)}{fresh}}}"
        return
    yield f"{margin}- event: {event}{'[]' if part.repeated else ''}"
    yield f"{margin}  v2: {place}"
    yield f"{margin}  rules:"
    yield from _of_parts(part, kind, f"{margin}    ", version)


def _of_parts(part: Part, kind: str, margin: str, version: str) -> Iterator[str]:
    names = _Names()
    for number, inner in sorted(part.parts.items()):
        event = names.of(camel(component_name(kind, number, version)) or f"part{number}", number)
        below = component_type(kind, number, version)
        if set(inner.parts) <= {1}:
            yield f"{margin}- {{event: {event}, v2: .{number}{_typed(below)}}}"
        else:
            yield f"{margin}- event: {event}"
            yield f"{margin}  v2: .{number}"
            yield f"{margin}  rules:"
            yield from _of_parts(inner, below, f"{margin}    ", version)


_LEFT_OUT: Final = frozenset({("MSH", 1), ("MSH", 2), ("MSH", 9), ("MSH", 12), ("MSH", 18)})
"""What says how the message is written, not what it means."""


def _is_number(segment: str, number: int, version: str) -> bool:
    return number == 1 and segment not in _ONCE and field_type(segment, 1, version) == "SI"


def _typed(kind: str) -> str:
    return f", type: {_TYPES[kind]}" if kind in _TYPES else ""


def camel(text: str) -> str:
    """Return a name as event paths have it: `Date/time of birth` is `dateTimeOfBirth`."""
    words = [word.lower() for word in _WORD.findall(text.replace("'", ""))]
    made = "".join([*words[:1], *(word.capitalize() for word in words[1:])])
    return made if made[:1].isalpha() else ""


@dataclass(slots=True)
class _Names:
    """Names of one object, each once."""

    taken: set[str] = field(default_factory=set)

    def of(self, name: str, number: int = 2) -> str:
        """Return the name, with a number behind it where it is taken."""
        while name in self.taken:
            name = f"{name}{number}"
        self.taken.add(name)
        return name
