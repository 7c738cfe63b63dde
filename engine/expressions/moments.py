"""Days and times as messages spell them, in a zone: read, shown, never guessed.

Understood: RFC 3339, local date-times without offset (`2026-11-02T09:00`), days (`2026-11-02`), and HL7 v2 times
(`20261102090000-0500`; HL7 v2.5.1 2.A.21). What has no offset needs a zone to become a point in time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from engine.expressions.function import Unsuited
from engine.expressions.instants import instant
from engine.expressions.kinds import kind_of

_LOCAL = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:T?(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,6})\d*)?)?([+-]\d{4})?)?", re.ASCII
)


def read(value: Any) -> date | datetime:
    """Return the day or the time that a value says; a time is naive where it has no offset.

    Raises:
        Unsuited: the value is none, or a day or time that does not exist.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise Unsuited(f"{kind_of(value)} is no date")
    moment = instant(value)
    if moment is not None:
        return moment
    found = _LOCAL.fullmatch(value)
    if found is None or ("-" in value[:5]) != ("-" in value[5:8]):
        raise Unsuited("this text is no date" if value else "an absent value is no date")
    return _built(found)


def _built(found: re.Match[str]) -> date | datetime:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        on = date(int(year), int(month), int(day))
        if hour is None:
            return on
        at = time(int(hour), int(minute), int(second or 0), int(f"{fraction or '':0<6}"), _offset(offset))
    except ValueError:
        raise Unsuited("there is no such day or time") from None
    return datetime.combine(on, at)


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-distance if text[0] == "-" else distance)


def zone_named(name: Any) -> ZoneInfo | None:
    """Return the time zone `America/Toronto`; None for ""; Unsuited when there is none of that name."""
    if name is None or name == "":
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise Unsuited("there is no such time zone; write one like America/Toronto") from None


def point_in_time(value: Any, zone: ZoneInfo | None) -> datetime:
    """Return an aware time, in `zone` where one is given; a day begins at midnight.

    Raises:
        Unsuited: no offset and no zone, or a local time that the zone has twice or never.
    """
    moment = read(value)
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is not None:
        return moment if zone is None else moment.astimezone(zone)
    if zone is None:
        raise Unsuited("a time without offset needs a zone")
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
        raise Unsuited(f"this local time exists {'twice' if exists else 'never'}: the clocks change")
    return first


def as_shown(value: Any, zone: ZoneInfo | None) -> date | datetime:
    """Return a day or time as people there read it; what has no offset is local already."""
    moment = read(value)
    if isinstance(moment, datetime) and moment.tzinfo is not None and zone is not None:
        return moment.astimezone(zone)
    return moment
