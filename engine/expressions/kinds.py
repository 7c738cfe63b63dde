"""Kinds of values in words, and values as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.expressions.function import Unsuited

MAX_TEXT = 1024 * 1024
"""Characters: no expression makes a text longer than this."""


def kind_of(value: Any) -> str:
    """Name the kind of a value, for messages that must not hold the value."""
    if value is None:
        return "null"
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return f"a {type(value).__name__}"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "a text"),
    (bool, "true or false"),
    ((int, Decimal), "a number"),
    (datetime, "a time"),
    ((list, tuple), "a list"),
    (Mapping, "an object"),
    (bytes, "bytes"),
)


def as_text(value: Any) -> str:
    """Return a scalar as it stands in a text: numbers as spelled, `true`, `false`, null as "", times in RFC 3339.

    Raises:
        Unsuited: a list, an object or bytes.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    raise Unsuited(f"{kind_of(value)} cannot stand in a text")


def bounded(text: str) -> str:
    """Return `text`; Unsuited when it is longer than any message needs."""
    if len(text) > MAX_TEXT:
        raise Unsuited(f"a text would have more than {MAX_TEXT} characters")
    return text


def rfc3339(moment: datetime) -> str:
    """Return an aware time as `2026-11-02T09:00:00-05:00`; UTC is `Z`, fractions only where there are any."""
    if moment.microsecond == 0:
        text = moment.isoformat(timespec="seconds")
    else:
        text = moment.isoformat(timespec="microseconds" if moment.microsecond % 1000 else "milliseconds")
    return f"{text[:-6]}Z" if moment.utcoffset() == _NO_OFFSET and moment.tzinfo is UTC else text


_NO_OFFSET = timedelta(0)


def storable(value: Any) -> Any:
    """Return a value as a document may hold it: times as text, also in lists; what the message holds is passed on."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    return value
