"""The fast way to read JSON, taken only where it is proven to give what the careful way gives.

orjson reads twice as fast, but keeps the last of two equal keys and turns decimals into binary floats. Here its result
counts only if writing it again gives the very same bytes, which no text with a duplicate key, a lost digit or a lone
surrogate does, and if there is no float in it. Compact JSON, as machines send it, passes; the rest is read carefully.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from engine.codecs.json.locating import MAX_DEPTH

UNREAD: Final = object()
"""Said instead of a value, since null is one."""


def read_quickly(raw: bytes) -> Any:
    """Return the value of a compact JSON text without decimals, UNREAD for any other bytes."""
    if b'": ' in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return UNREAD
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return UNREAD
    return value if orjson.dumps(value) == raw and not _has_float((value,)) else UNREAD


def _has_float(values: Any) -> bool:
    """Say whether a float is below; no recursion goes deeper than MAX_DEPTH, which the caller saw to."""
    for value in values:
        kind = type(value)
        if (
            kind is float
            or (kind is dict and _has_float(value.values()))
            or (kind is list and _has_float(value))
        ):
            return True
    return False
