"""JSON values to bytes: compact, keys in the order they have, numbers as they were spelled."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from engine.errors import Rejected

_LARGEST = 2**63 - 1


def write_json(value: Any) -> bytes:
    """Return UTF-8 without blanks; the same value gives the same bytes.

    Raises:
        Rejected: a value is none of JSON's, an object key is no text, or a text holds a lone surrogate.
    """
    try:
        return orjson.dumps(value, default=_other)
    except orjson.JSONEncodeError:
        pass
    try:
        return orjson.dumps(_with_long_integers(value), default=_other)
    except (orjson.JSONEncodeError, RecursionError, ValueError) as error:
        raise Rejected(f"this cannot be written as JSON: {_reason(error)}", code="unwritable") from None


def _other(value: Any) -> Any:
    """Say how orjson writes what it does not know; a Fragment is copied verbatim."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _with_long_integers(value: Any) -> Any:
    """Return `value` with integers beyond 64 bits as fragments: orjson refuses them, JSON does not (RFC 8259 6)."""
    if isinstance(value, Mapping):
        return {key: _with_long_integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_long_integers(item) for item in value]
    if type(value) is int and not -_LARGEST <= value <= _LARGEST:
        return orjson.Fragment(str(value))
    return value


def _reason(error: Exception) -> str:
    """Name the cause without the value: orjson's texts speak of types only, a chained cause is our own."""
    cause = error.__cause__
    return str(cause or error) if isinstance(error, orjson.JSONEncodeError) else type(error).__name__
