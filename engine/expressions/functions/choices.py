"""Functions that choose a value, look one up, or make one for this message."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.expressions.function import Function, Unsuited
from engine.expressions.kinds import as_text, kind_of
from engine.spi import Scope

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISSES: Final = ("error", "keep", "empty")


def first(*values: Any) -> Any:
    """Return the first value that is neither absent nor null; of one list, its first such item. Else ""."""
    candidates = values[0] if len(values) == 1 and isinstance(values[0], (list, tuple)) else values
    for value in candidates:
        if value != "" and value is not None:
            return value
    return ""


def default(value: Any, otherwise: Any) -> Any:
    """Return `value`, or `otherwise` where `value` is absent or null."""
    return otherwise if value is None or value == "" else value


def table(scope: Scope, name: Any, key: Any, miss: Any = "error") -> Any:
    """Return what the table `name` says for `key`.

    A key that it lacks refuses the message; `miss='keep'` gives the key itself, `miss='empty'` gives "".
    """
    rows = scope.tables.get(name)
    if rows is None:
        raise Unsuited(f"there is no table {name}")
    text = as_text(key)
    try:
        return rows[text]
    except KeyError:
        if miss == "keep":
            return text
        if miss == "empty":
            return ""
    raise Unsuited(f"the table {name} has no such key")


def now(scope: Scope) -> str:
    """Return the time of this routing as RFC 3339 in UTC with milliseconds: `2026-11-02T14:00:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=scope.now_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def short_id(scope: Scope, length: Any = 20) -> str:
    """Return a fresh id of 8 to 20 characters (0-9, A-Z without I, L, O, U).

    20 fit MSH-10 before HL7 v2.7; every character less makes a clash 32 times as likely.
    """
    if not isinstance(length, int) or not 8 <= length <= 20:
        raise Unsuited("an id has 8 to 20 characters")
    if scope.new_id is None:
        raise Unsuited("there are no ids here")
    fresh = scope.new_id()
    if length >= len(fresh):
        return fresh
    # an id begins with its time: cutting it would leave nothing that differs, so its hash is cut
    number = int.from_bytes(hashlib.blake2b(fresh.encode(), digest_size=16).digest())
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in range(length))


def _known_miss(miss: Any) -> Any:
    if miss not in _MISSES:
        raise ValueError(f"miss is one of {', '.join(_MISSES)}")
    return miss


def _known_length(length: Any) -> Any:
    if not isinstance(length, int) or not 8 <= length <= 20:
        raise ValueError(f"an id has 8 to 20 characters, not {kind_of(length)} like this")
    return length


FUNCTIONS = (
    Function("first", first),
    Function("default", default),
    Function(
        "table",
        table,
        scoped=True,
        prepare={"miss": _known_miss},
        literal=frozenset({"name", "miss"}),
        refers=("name", "table"),
    ),
    Function("now", now, scoped=True),
    Function("short_id", short_id, scoped=True, prepare={"length": _known_length}),
)
