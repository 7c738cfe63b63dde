"""Dates and times: as HL7 v2 writes them, as the event says them, as FHIR has them; precision and offset are kept.

Source: HL7 v2.5.1 2.A.21 (DTM), 2.A.75 (TM); ISO 8601; FHIR R4 2.24.0.1 (date, dateTime, instant, time).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Final

_V2: Final = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(\.[0-9]+)?)?)?)?)?)?"
    r"([+-][0-9]{4})?"
)
_ISO: Final = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?)?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_CLOCK: Final = re.compile(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(\.[0-9]+)?)?)?([+-][0-9]{4})?")
_ISO_CLOCK: Final = re.compile(
    r"([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?)?([+-][0-9]{2}:[0-9]{2})?"
)
_MINUTES: Final = {f"{h:02}{m:02}": f"T{h:02}:{m:02}" for h in range(24) for m in range(60)}
_SECONDS: Final = {f"{s:02}": f":{s:02}" for s in range(60)}
_OFFSETS: Final = {
    f"{sign}{h:02}{m:02}": f"{sign}{h:02}:{m:02}"
    for sign in "+-"
    for h in range(15)
    for m in range(0, 60, 15)
}
_DAYS: Final[dict[str, str]] = {}
_MAX_DAYS: Final = 50_000


def from_v2(raw: str) -> str | None:
    """Return the ISO text of `20260114093012.25-0500`, None where it is not exactly such a text."""
    length = len(raw)
    day = _DAYS.get(raw[:8])
    if day is not None:
        if length == 14:
            minutes, seconds = _MINUTES.get(raw[8:12]), _SECONDS.get(raw[12:])
            if minutes is not None and seconds is not None:
                return day + minutes + seconds
        elif length == 12:
            minutes = _MINUTES.get(raw[8:])
            if minutes is not None:
                return day + minutes
        elif length == 19:
            minutes, seconds, offset = (
                _MINUTES.get(raw[8:12]),
                _SECONDS.get(raw[12:14]),
                _OFFSETS.get(raw[14:]),
            )
            if minutes is not None and seconds is not None and offset is not None:
                return day + minutes + seconds + offset
        elif length == 8:
            return day
    return _from_v2(raw)


def _from_v2(raw: str) -> str | None:
    found = _V2.fullmatch(raw)
    if not found:
        return None
    text = _joined(found.groups())
    if text is not None and len(raw) >= 8 and found[3] and len(_DAYS) < _MAX_DAYS:
        _DAYS[raw[:8]] = text[:10]
    return text


def loosely_from_v2(raw: str) -> str | None:
    """Return the ISO text of a moment that is spelled in a way that senders use: with blanks, or as ISO itself."""
    text = raw.strip()
    strict = from_v2(text)
    if strict is not None:
        return strict
    found = _ISO.fullmatch(text)
    if not found:
        return None
    *parts, offset = found.groups()
    return _joined([*parts, "+0000" if offset == "Z" else offset and offset.replace(":", "")])


def _joined(parts: Sequence[str | None]) -> str | None:
    """Return ISO text of year ... second, fraction and offset; None where there is no such day or time."""
    year, month, day, hour, minute, second, fraction, offset = parts
    if year is None:
        return None
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    if not _is_clock(hour, minute, second, offset) or (offset and not hour):
        return None
    text = year
    if month:
        text += f"-{month}"
    if day:
        text += f"-{day}"
    if hour:
        text += f"T{hour}"
    return text + _tail(minute, second, fraction, offset)


def _tail(minute: str | None, second: str | None, fraction: str | None, offset: str | None) -> str:
    text = f":{minute}" if minute else ""
    if second:
        text += f":{second}{fraction or ''}"
    if offset:
        text += f"{offset[:3]}:{offset[3:]}"
    return text


def _is_clock(hour: str | None, minute: str | None, second: str | None, offset: str | None) -> bool:
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        return False
    return offset is None or (int(offset[1:3]) <= 14 and int(offset[3:]) <= 59)


def to_v2(value: str) -> str | None:
    """Return how HL7 v2 writes an ISO text, None where the text is none of an event's."""
    if len(value) == 19 and value[16] == ":" and value[13] == ":":
        raw = value[:4] + value[5:7] + value[8:10] + value[11:13] + value[14:16] + value[17:]
    else:
        day, _, clock = value.partition("T")
        sign = max(clock.find("+"), clock.find("-"))
        clock, offset = (clock[:sign], clock[sign:]) if sign >= 0 else (clock, "")
        raw = day.replace("-", "") + clock.replace(":", "") + offset.replace(":", "")
    return raw if from_v2(raw) == value else None


def clock_from_v2(raw: str) -> str | None:
    """Return `09:30:12` of `093012`; None where it is no time of day."""
    found = _CLOCK.fullmatch(raw)
    if not found:
        return None
    hour, minute, second, fraction, offset = found.groups()
    if not _is_clock(hour, minute, second, offset):
        return None
    return str(hour) + _tail(minute, second, fraction, offset)


def clock_to_v2(value: str) -> str | None:
    """Return `093012` of `09:30:12`; None where it is no time of day of an event."""
    raw = value.replace(":", "")
    return raw if clock_from_v2(raw) == value else None


def from_fhir(value: str) -> str | None:
    """Return the event's text of a date, dateTime or instant (`Z` is +00:00), None where it is none."""
    found = _ISO.fullmatch(value)
    if not found or " " in value:
        return None
    *parts, offset = found.groups()
    return _joined([*parts, "+0000" if offset == "Z" else offset and offset.replace(":", "")])


def to_fhir(value: str, kind: str, offset_at: str) -> str | None:
    """Return a moment as FHIR's `date`, `dateTime` or `instant`, filled where FHIR asks for more.

    `offset_at` is the offset (`-05:00`) to use where the moment says none.
    """
    day, has_time, clock = value.partition("T")
    if kind == "date":
        return day
    if not has_time:
        if kind == "dateTime":
            return day
        day = (day + "-01-01")[:10]
        clock = "00"
    sign = max(clock.find("+"), clock.find("-"))
    clock, offset = (clock[:sign], clock[sign:]) if sign >= 0 else (clock, offset_at)
    filled = {0: ":00:00", 1: ":00"}.get(clock.count(":"), "")
    return f"{day}T{clock}{filled}{offset}"


def clock_from_fhir(value: str) -> str | None:
    """Return the event's text of a FHIR time."""
    found = _ISO_CLOCK.fullmatch(value)
    if not found or not _is_clock(found[1], found[2], found[3], None) or found[5]:
        return None
    return value


def clock_to_fhir(value: str) -> str | None:
    """Return hh:mm:ss with nothing behind."""
    found = _ISO_CLOCK.fullmatch(value)
    if not found:
        return None
    return f"{found[1]}:{found[2] or '00'}:{found[3] or '00'}{found[4] or ''}"
