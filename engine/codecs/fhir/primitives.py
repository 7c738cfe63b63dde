"""The forms that values of R4's primitive types must have; each check says what is wrong, without the value.

Source: HL7 FHIR R4 2.24.0.1 (primitive types and their regular expressions).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

Judge = Callable[[Any], "Flaw | None"]
"""Returns what is wrong with a JSON value, None where it is well formed."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """`code` is `type` where JSON's kind of value is wrong, else `format`."""

    text: str
    code: str


_LAST_DAY_OF_ALL_MONTHS = "28"
_MAX_32_BIT = 2**31 - 1
_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
_DATE = rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
_DAY = rf"{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_VISIBLE = r"[^\s\x00-\x1f]"
_OID = r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+"
_UUID = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_URI = rf"{_OID}|{_UUID}|(?!urn:(?:oid|uuid):){_VISIBLE}+"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+(?:=\s*){0,2}", re.ASCII)
_BLANK = re.compile(r"\s+")

_NO_TEXT = Flaw("a text is expected here", "type")
_EMPTY = Flaw("an empty text is no value: leave the element out", "format")
_CONTROL = Flaw("a control character is not allowed here", "format")
_NO_DAY = Flaw("there is no such day in the calendar", "format")
_NO_NUMBER = Flaw("a number is expected here", "type")
_NO_WHOLE_NUMBER = Flaw("a whole number is expected here", "type")
_BINARY_FLOAT = Flaw("a binary float changes decimals: give a Decimal", "type")
_NO_BOOLEAN = Flaw("true or false is expected here", "type")


def _text(value: Any) -> Flaw | None:
    if not isinstance(value, str):
        return _NO_TEXT
    if not value:
        return _EMPTY
    return _CONTROL if _FORBIDDEN.search(value) else None


def _like(pattern: str, what: str) -> Judge:
    """Return a check of texts that must match `pattern` as a whole."""
    matches = re.compile(pattern, re.ASCII).fullmatch
    flaw = Flaw(f"this is no {what}", "format")

    def judge(value: Any) -> Flaw | None:
        if not isinstance(value, str):
            return _NO_TEXT
        return None if matches(value) else flaw if value else _EMPTY

    return judge


def _dated(pattern: str, what: str) -> Judge:
    """Return a check of texts that match `pattern` and begin with a date, which must exist in the calendar."""
    matches = re.compile(pattern, re.ASCII).fullmatch
    flaw = Flaw(f"this is no {what}", "format")

    def judge(value: Any) -> Flaw | None:
        if not isinstance(value, str):
            return _NO_TEXT
        if not matches(value):
            return flaw if value else _EMPTY
        if value[8:10] > _LAST_DAY_OF_ALL_MONTHS:
            return None if int(value[8:10]) <= monthrange(int(value[:4]), int(value[5:7]))[1] else _NO_DAY
        return None

    return judge


def _whole(least: int, what: str) -> Judge:
    flaw = Flaw(f"this is no {what}: {least} to {_MAX_32_BIT}", "format")

    def judge(value: Any) -> Flaw | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return _NO_WHOLE_NUMBER
        return None if least <= value <= _MAX_32_BIT else flaw

    return judge


def _decimal(value: Any) -> Flaw | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return _BINARY_FLOAT if isinstance(value, float) else _NO_NUMBER
    return _NO_NUMBER if isinstance(value, Decimal) and not value.is_finite() else None


def _boolean(value: Any) -> Flaw | None:
    return None if isinstance(value, bool) else _NO_BOOLEAN


def _base64(value: Any) -> Flaw | None:
    if not isinstance(value, str):
        return _NO_TEXT
    if not value:
        return _EMPTY
    whole = _BASE64.fullmatch(value) and len(_BLANK.sub("", value)) % 4 == 0
    return None if whole else Flaw("this is no base64Binary", "format")


def _xhtml(value: Any) -> Flaw | None:
    """Check the frame only: what XHTML may hold is a matter of profiles."""
    flaw = _text(value)
    if flaw is None:
        stripped = value.strip()
        if not (stripped.startswith("<div") and stripped.endswith(("</div>", "/>"))):
            return Flaw("this is no xhtml: it is one <div>", "format")
    return flaw


JUDGES: Mapping[str, Judge] = MappingProxyType(
    {
        "base64Binary": _base64,
        "boolean": _boolean,
        "canonical": _like(_URI, "canonical"),
        "code": _like(rf"{_VISIBLE}+(?:\s{_VISIBLE}+)*", "code: no blanks around it, single ones within"),
        "date": _dated(_DATE, "date: YYYY, YYYY-MM or YYYY-MM-DD"),
        "dateTime": _dated(rf"{_DATE}|{_DAY}T{_CLOCK}{_ZONE}", "dateTime: with a time goes an offset"),
        "decimal": _decimal,
        "id": _like(r"[A-Za-z0-9.-]{1,64}", "id: 1 to 64 of A-Z a-z 0-9 - ."),
        "instant": _dated(rf"{_DAY}T{_CLOCK}{_ZONE}", "instant: date, time with seconds, offset"),
        "integer": _whole(-_MAX_32_BIT - 1, "integer"),
        "markdown": _text,
        "oid": _like(_OID, "oid: urn:oid:1.2.3"),
        "positiveInt": _whole(1, "positiveInt"),
        "string": _text,
        "time": _like(_CLOCK, "time: hh:mm:ss"),
        "unsignedInt": _whole(0, "unsignedInt"),
        "uri": _like(_URI, "uri"),
        "url": _like(_URI, "url"),
        "uuid": _like(_UUID, "uuid: urn:uuid: and lower case digits"),
        "xhtml": _xhtml,
    }
)
"""One for each primitive type of R4. A JSON number is an int or a Decimal, as the codec reads it."""
