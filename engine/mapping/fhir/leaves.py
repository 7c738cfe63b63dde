"""Leaf types on the FHIR side: what an event's value is as an R4 primitive, and back.

Where the primitive says less than the event, the event's value goes beside it, into an extension `event-value`; it is
believed as long as the primitive is still the one that is written for it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from engine.mapping.leaves import MISS, BadValue, is_decimal
from engine.mapping.moments import clock_from_fhir, clock_to_fhir, from_fhir, to_fhir, to_v2
from engine.mapping.rules import Leaf

EVENT_VALUE: Final = "urn:passerelle:fhir:event-value"
DATA_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
NO_RAW: Final = object()
"""Stands for a primitive that is not there, so that only its extension says something."""
MOMENTS: Final = frozenset({"date", "dateTime", "instant"})
TEXTS: Final = frozenset(
    {"string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid", "base64Binary", "xhtml"}
)
INTEGERS: Final = frozenset({"integer", "positiveInt", "unsignedInt"})
FITS: Final[Mapping[str, frozenset[str]]] = {
    "text": TEXTS,
    "code": TEXTS,
    "oid": TEXTS,
    "ts": MOMENTS | {"string"},
    "time": frozenset({"time", "string"}),
    "num": INTEGERS | {"decimal", "string"},
    "int": INTEGERS | {"decimal", "string"},
    "bool": frozenset({"boolean", "string", "code"}),
}
"""Leaf type -> the primitives of R4 that can hold it."""
_PATTERNS: Final = {
    "string": re.compile(r"[ \r\n\t\S]+"),
    "code": re.compile(r"[^\s]+( [^\s]+)*"),
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "oid": re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+"),
    "uuid": re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "base64Binary": re.compile(r"([0-9a-zA-Z+/=]{4})+"),
    "uri": re.compile(r"\S+"),
}
_PATTERN_OF: Final = {"markdown": "string", "xhtml": "string", "url": "uri", "canonical": "uri"}
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Parse = Callable[[Any], Any]
Write = Callable[[Any, str], Any]
"""Takes a value and the offset of times that say none; NO_RAW where the primitive cannot say it at all."""


@dataclass(frozen=True, slots=True)
class FhirLeaf:
    """How one leaf is read and written at an element of the type `primitive`; `zoned` times need an offset.

    `codes` are those that R4 allows there, None for all: another one is said beside the element.
    """

    parse: Parse
    write: Write
    zoned: bool = False
    primitive: str = ""
    codes: frozenset[str] | None = None


def fhir_leaf_type(
    leaf: Leaf, kind: str, side: str = "fhir", codes: frozenset[str] | None = None
) -> FhirLeaf:
    """Return the functions for a leaf at an element of the primitive type `kind`, which may have these codes only."""
    found = _functions(leaf, kind, side)
    if codes is None:
        return replace(found, primitive=kind)

    def write(value: Any, offset: str) -> Any:
        raw = found.write(value, offset)
        return raw if raw in codes else NO_RAW

    return replace(found, primitive=kind, write=write, codes=codes)


def _functions(leaf: Leaf, kind: str, side: str) -> FhirLeaf:
    if leaf.table is not None:
        return _coded(leaf, kind, side)
    if leaf.kind == "any":
        return FhirLeaf(lambda raw: raw, lambda value, offset: value)
    if leaf.kind == "ts" and kind in MOMENTS:
        return FhirLeaf(_moment(kind), _write_moment(kind), zoned=True)
    if leaf.kind == "time" and kind == "time":
        return FhirLeaf(_clock, _write_clock)
    if leaf.kind == "oid":
        return FhirLeaf(_oid, _write_oid)
    if leaf.kind in ("num", "int", "bool"):
        return _counted(leaf.kind, kind)
    return _worded(leaf.kind, kind)


def _counted(name: str, kind: str) -> FhirLeaf:
    """Return the functions for numbers and flags, which R4 may have as texts."""
    if name == "bool":
        if kind == "boolean":
            return FhirLeaf(lambda raw: raw if isinstance(raw, bool) else MISS, _write_flag)
        return FhirLeaf(lambda raw: _FLAGS.get(raw, MISS) if isinstance(raw, str) else MISS, _flag_text)
    if kind != "string":
        return FhirLeaf(_number(name), _write_number(name, kind))
    if name == "int":
        return FhirLeaf(_integer_text, lambda value, offset: str(_checked_integer(value)))
    return _worded(name, kind)


_FLAGS: Final = {"true": True, "false": False}


def _worded(name: str, kind: str) -> FhirLeaf:
    """Return the functions for what R4 has as text as it stands."""
    checks: dict[str, Callable[[Any], bool]] = {"num": is_decimal, "ts": _is_moment}
    check = checks.get(name, _is_text)
    return FhirLeaf(lambda raw: raw if check(raw) else MISS, _write_text(kind, check))


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and to_v2(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def holds(kind: str, text: str) -> bool:
    """Say whether an R4 primitive can hold a text."""
    pattern = _PATTERNS.get(_PATTERN_OF.get(kind, kind))
    return pattern is None or (
        pattern.fullmatch(text) is not None and not _CONTROL.search(text) and not text.isspace()
    )


def _write_text(kind: str, check: Callable[[Any], bool]) -> Write:
    def write(value: Any, offset: str) -> Any:
        if not check(value):
            raise BadValue("a text that is not empty is needed")
        return value if holds(kind, value) else NO_RAW

    return write


def _moment(kind: str) -> Parse:
    def parse(raw: Any) -> Any:
        value = from_fhir(raw) if isinstance(raw, str) else None
        return MISS if value is None else value

    return parse


def _write_moment(kind: str) -> Write:
    def write(value: Any, offset: str) -> Any:
        if not isinstance(value, str) or to_v2(value) is None:
            raise BadValue("a moment is needed, such as 2026-01-14 or 2026-01-14T09:30:00-05:00")
        return to_fhir(value, kind, offset)

    return write


def _clock(raw: Any) -> Any:
    value = clock_from_fhir(raw) if isinstance(raw, str) else None
    return MISS if value is None else value


def _write_clock(value: Any, offset: str) -> Any:
    raw = clock_to_fhir(value) if isinstance(value, str) else None
    if raw is None:
        raise BadValue("a time of day is needed, such as 09:30")
    return raw


def _number(kind: str) -> Parse:
    def parse(raw: Any) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
            return MISS
        if kind == "int":
            return raw if isinstance(raw, int) else MISS
        text = str(raw) if isinstance(raw, int) else format(raw, "f")
        return text if is_decimal(text) and len(text) < 64 else MISS

    return parse


def _write_number(kind: str, primitive: str) -> Write:
    low = {"positiveInt": 1, "unsignedInt": 0}.get(primitive, -(2**31))

    def write(value: Any, offset: str) -> Any:
        if kind == "int":
            number: int | Decimal = _checked_integer(value)
        elif not is_decimal(value):
            raise BadValue('a decimal number as text is needed, such as "1.50"')
        else:
            number = Decimal(value) if "." in value or value == "-0" else int(value)
        if primitive in INTEGERS and not (isinstance(number, int) and low <= number < 2**31):
            return NO_RAW
        return number

    return write


def _checked_integer(value: Any) -> int:
    if type(value) is not int:
        raise BadValue("an integer is needed")
    return int(value)


def _integer_text(raw: Any) -> Any:
    return int(raw) if isinstance(raw, str) and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", raw) else MISS


def _write_flag(value: Any, offset: str) -> Any:
    if not isinstance(value, bool):
        raise BadValue("true or false is needed")
    return value


def _flag_text(value: Any, offset: str) -> Any:
    return "true" if _write_flag(value, offset) else "false"


def _oid(raw: Any) -> Any:
    if not _is_text(raw):
        return MISS
    for prefix, pattern in (("urn:oid:", _OID), ("urn:uuid:", _UUID)):
        if raw.startswith(prefix) and pattern.fullmatch(raw[len(prefix) :]):
            return raw[len(prefix) :]
    return raw


def _write_oid(value: Any, offset: str) -> Any:
    if not _is_text(value):
        raise BadValue("a text that is not empty is needed")
    if _OID.fullmatch(value):
        return f"urn:oid:{value}"
    if _UUID.fullmatch(value):
        return f"urn:uuid:{value}"
    return value if holds("uri", value) else NO_RAW


def _coded(leaf: Leaf, kind: str, side: str) -> FhirLeaf:
    table = leaf.table
    if table is None:
        raise TypeError("no table")
    meaning: dict[str, str] = {}
    written: dict[str, str] = {}
    for event, row in table.rows.items():
        codes = row.get(side, ())
        if codes and codes[0] != "none":
            written[event] = codes[0]
            for code in codes:
                meaning.setdefault(code, event)
    instead = leaf.default[side].text if table.open and side in leaf.default else ""

    def parse(raw: Any) -> Any:
        if not _is_text(raw):
            return MISS
        found = meaning.get(raw, MISS)
        return raw if found is MISS and table.open and raw not in table.rows else found

    def write(value: Any, offset: str) -> Any:
        code = written.get(value) if isinstance(value, str) else None
        if code is None and (not _is_text(value) or (value not in table.rows and not table.open)):
            raise BadValue(f"table {table.name} has no such code")
        if code is None:
            if value in table.rows or instead:
                return instead if instead and instead not in ("none", "absent") else NO_RAW
            code = value
        return code if holds(kind, code) else NO_RAW

    return FhirLeaf(parse, write)


def event_value(value: Any) -> dict[str, Any]:
    """Return the extension that holds an event's value."""
    if value is None:
        return {"url": EVENT_VALUE, "valueCode": "null"}
    if isinstance(value, bool):
        return {"url": EVENT_VALUE, "valueBoolean": value}
    if isinstance(value, int):
        return {"url": EVENT_VALUE, "valueInteger": value}
    if not holds("string", value):
        return {
            "url": EVENT_VALUE,
            "valueBase64Binary": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode(),
        }
    return {"url": EVENT_VALUE, "valueString": value}


def said_value(extension: Any) -> Any:
    """Return the event's value in an extension `event-value`, MISS where it is none."""
    if not isinstance(extension, dict) or extension.get("url") != EVENT_VALUE or len(extension) != 2:
        return MISS
    if extension.get("valueCode") == "null":
        return None
    if isinstance(extension.get("valueBase64Binary"), str):
        try:
            return (
                base64.b64decode(extension["valueBase64Binary"], validate=True).decode(
                    "utf-8", "surrogatepass"
                )
                or MISS
            )
        except ValueError:
            return MISS
    for name, kind in (("valueString", str), ("valueBoolean", bool), ("valueInteger", int)):
        if type(extension.get(name)) is kind and extension[name] != "":
            return extension[name]
    return MISS
