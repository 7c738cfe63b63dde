"""Date-times in text as points in time, so that 09:00-05:00 is before 14:30Z.

Source: RFC 3339 5.6. A leap second counts as the second after it; more digits than microseconds still order.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):[0-5]\d):(\d\d)(?:\.(\d{1,30}))?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_SECOND = timedelta(seconds=1)


def instant(text: str) -> datetime | None:
    """Return the aware time that an RFC 3339 text says, to the microsecond; None when it is no such text."""
    key = ordering_key(text)
    if key is None:
        return None
    moment, fraction = key
    return moment.replace(microsecond=int(f"{fraction[:6]:0<6}")) if fraction else moment


def ordering_key(text: str) -> tuple[datetime, str] | None:
    """Return what orders RFC 3339 texts exactly: the whole second, and the digits behind it; None for other texts."""
    if _is_common(text):
        try:
            return datetime.fromisoformat(text), ""
        except ValueError:
            return None
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    day, clock, second, fraction, offset = found.groups()
    leaps = second == "60"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}:{'59' if leaps else second}{offset.upper()}")
        return moment + _SECOND if leaps else moment, (fraction or "").rstrip("0")
    except (ValueError, OverflowError):
        return None


def _is_common(text: str) -> bool:
    """Say whether the text looks like `2026-11-02T09:00:00-05:00` or `...00Z`, which `fromisoformat` reads faster.

    What it takes beyond the standard is left out: week dates, offsets with seconds, hour 24, minute 60 of an offset.
    """
    length = len(text)
    if length != 25 and not (length == 20 and text[19] == "Z"):
        return False
    if length == 25 and (text[22] != ":" or text[23] >= "6"):
        return False
    return (
        text[10] == "T"
        and text[13] == text[16] == ":"
        and text[5] != "W"
        and text[17] < "6"
        and text[11:13] < "24"
    )


def comparable(left: str, right: str) -> tuple[Any, Any]:
    """Return what to compare instead of two texts: points in time where both are RFC 3339, else the texts."""
    if len(left) < 20 or len(right) < 20:
        return left, right
    one = ordering_key(left)
    other = ordering_key(right) if one is not None else None
    return (left, right) if other is None else (one, other)
