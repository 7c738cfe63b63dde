"""A message as a tree of named leaves, and how a leaf is shown where its content is nobody's business.

Masked values keep their shape: a letter is an x, a digit a 9, so that formats can be seen and persons cannot. Shown
as they are: delimiters, types, codes of HL7's own tables and counters, outside of the segments about a person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.codecs.hl7v2.composite import Level, value_of
from engine.codecs.hl7v2.delimiters import HEADERS, Delimiters
from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.names import component_name, component_type, field_name, field_type

LONGEST: Final = 80
"""Characters of a value that are shown on a line."""
_ENVELOPE: Final = frozenset({"MSH", "FHS", "BHS", "MSA", "BTS", "FTS", "SFT"})
_SECRET: Final = frozenset({("MSH", 8), ("FHS", 8), ("BHS", 8), ("MSA", 3), ("ERR", 7), ("ERR", 8)})
_PERSONAL: Final = frozenset({"PID", "PD1", "NK1", "GT1", "IN1", "IN2", "IN3", "MRG", "ARV", "CON"})
_OPEN_TYPES: Final = frozenset({"SI", "ID", "IS"})
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value: `path` as paths are written, `name` what the standard calls it ("" where nobody knows).

    `value` is its text with escapes decoded, None for HL7's null; `open` says that it may be shown.
    """

    path: str
    name: str
    value: str | None
    open: bool

    def shown(self, *, clear: bool) -> str:
        """Return the value for people: masked unless it may be shown, null as `""`."""
        text = '""' if self.value is None else self.value
        return text if clear or self.open else masked(text)


@dataclass(frozen=True, slots=True)
class Branch:
    """One segment with its leaves, in order; `path` is `OBX[2]` where there are several of that name."""

    name: str
    path: str
    raw: str
    leaves: tuple[Leaf, ...]


def masked(text: str) -> str:
    """Return the shape of a text."""
    return _LETTER.sub("x", re.sub(r"\d", "9", text))


def shortened(text: str) -> str:
    """Return a text as one line shows it: control characters as escapes, its end left out where it is long."""
    plain = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text[: LONGEST + 1])
    return plain if len(text) <= LONGEST else f"{plain[:LONGEST]}... ({len(text)} characters)"


def branches(message: Er7, version: str) -> Sequence[Branch]:
    """Return the segments of a message; blank lines are none."""
    texts = [text for text in message.texts() if text.strip()]
    total = Counter(text[:3] for text in texts)
    seen: Counter[str] = Counter()
    found: list[Branch] = []
    for text in texts:
        name = text[:3]
        seen[name] += 1
        path = f"{name}[{seen[name]}]" if total[name] > 1 else name
        found.append(Branch(name, path, text, tuple(_leaves(text, path, message.marks, version))))
    return found


def _leaves(text: str, path: str, marks: Delimiters, version: str) -> Iterator[Leaf]:
    name = text[:3]
    fields = text.split(marks.field)[1:]
    header = name in HEADERS
    if header:
        yield Leaf(f"{path}-1", field_name(name, 1, version), marks.field, True)
        if fields:
            yield Leaf(f"{path}-2", field_name(name, 2, version), fields.pop(0), True)
    for number, raw in enumerate(fields, start=3 if header else 1):
        if raw:
            yield from _of_field(raw, f"{path}-{number}", (name, number), marks, version)


def _of_field(raw: str, path: str, place: tuple[str, int], marks: Delimiters, version: str) -> Iterator[Leaf]:
    said, kind = field_name(*place, version), field_type(*place, version)
    repetitions = raw.split(marks.repetition)
    for index, repetition in enumerate(repetitions, start=1):
        at = f"{path}[{index}]" if len(repetitions) > 1 else path
        if marks.component not in repetition and marks.subcomponent not in repetition:
            if repetition:
                yield Leaf(at, said, value_of(repetition, marks, Level.SUBCOMPONENT), _is_open(place, kind))
            continue
        for number, component in enumerate(repetition.split(marks.component), start=1):
            part = component_name(kind, number, version)
            title = f"{said}, {part}" if said and part else said or part
            inner = component_type(kind, number, version)
            yield from _of_component(component, f"{at}.{number}", title, marks, _is_open(place, inner))


def _of_component(raw: str, path: str, name: str, marks: Delimiters, is_open: bool) -> Iterator[Leaf]:
    parts = raw.split(marks.subcomponent)
    for number, part in enumerate(parts, start=1):
        if part:
            at = f"{path}.{number}" if len(parts) > 1 else path
            yield Leaf(at, name, value_of(part, marks, Level.SUBCOMPONENT), is_open)


def _is_open(place: tuple[str, int], kind: str) -> bool:
    segment, number = place
    if place in _SECRET:
        return False
    if segment in _ENVELOPE or segment == "ERR":
        return True
    if number == 1 and kind in ("SI", ""):
        return kind == "SI"
    return segment not in _PERSONAL and not segment.startswith("Z") and kind in _OPEN_TYPES
