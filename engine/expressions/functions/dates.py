"""Functions on days and times. A zone is a name such as `America/Toronto`; "" keeps the value's own offset."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from engine.expressions.function import Function, Unsuited
from engine.expressions.kinds import as_text, kind_of, rfc3339
from engine.expressions.moments import as_shown, point_in_time, zone_named

_TOKEN: Final = re.compile(r"%(:z|.)", re.DOTALL)
_MONTHS_FR: Final = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
_MONTHS_EN: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def time(value: Any, zone: Any = "") -> datetime:
    """Return a date-time as a point in time, to compare with others; where it has no offset, it is one in `zone`.

    Takes RFC 3339, local ISO date-times, days, and HL7 v2 times. A local time that the zone has twice or never
    refuses the message. Two RFC 3339 texts need no `time(...)`: they compare as points in time anyway.
    """
    return point_in_time(value, zone_named(zone))


def date_(value: Any, format: Any, zone: Any = "") -> str:
    """Return a day or time in a format: `date(msg.start, '%Y%m%d%H%M%S%z', 'America/Toronto')`.

    %Y year, %m month, %d day, %H hour, %I hour of 12, %p AM or PM, %M minute, %S second, %L millisecond, %j day of
    the year, %z offset as -0500, %:z offset as -05:00, %% a percent sign.
    """
    moment = as_shown(value, zone_named(zone))
    return _TOKEN.sub(lambda token: _part(token[1], moment), as_text(format))


def parse_time(value: Any, format: Any, zone: Any = "") -> str:
    """Return a time written in a format of one's own (tokens as in `date`) as RFC 3339.

    `zone` is needed where the format has no %z; a text that does not fit refuses the message.
    """
    read = _pattern(as_text(format)).fullmatch(as_text(value))
    if read is None:
        raise Unsuited("this text does not fit the format")
    found = read.groupdict()
    day = f"{found.get('Y') or '1970'}-{found.get('m') or '01'}-{found.get('d') or '01'}"
    clock = f"T{found.get('H') or '00'}:{found.get('M') or '00'}:{found.get('S') or '00'}.{found.get('L') or '000'}"
    offset = (found.get("z") or "").replace(":", "")
    if offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    return rfc3339(point_in_time(day + clock + offset, zone_named(zone)))


def readable(value: Any, language: Any = "fr", zone: Any = "") -> str:
    """Return a day or time as people read it, in French or English.

    `fr`: 2 novembre 2026 à 9 h 00. `en`: November 2, 2026 at 9:00 AM. A day without time stays without.
    """
    if type(value) is str and isinstance(language, str) and isinstance(zone, str):
        return _read_aloud(value, language, zone)
    return _spoken(value, language, zone)


def _spoken(value: Any, language: Any, zone: Any) -> str:
    moment = as_shown(value, zone_named(zone))
    speak = _LANGUAGES.get(as_text(language)[:2].lower())
    if speak is None:
        raise Unsuited("readable knows fr and en")
    return speak(moment)


@lru_cache(
    maxsize=256
)  # one time is said in two languages, for several renderings; and clinics book whole quarters
def _read_aloud(value: str, language: str, zone: str) -> str:
    return _spoken(value, language, zone)


def add_minutes(value: Any, minutes: Any, zone: Any = "") -> str:
    """Return the time that many minutes later (or, below zero, earlier) as RFC 3339; always real elapsed time."""
    if not isinstance(minutes, int | Decimal) or isinstance(minutes, bool):
        raise Unsuited(f"minutes are a number, not {kind_of(minutes)}")
    moment = point_in_time(value, zone_named(zone))
    try:
        # through UTC, so that a change of the clocks in between does not swallow or add an hour
        later = moment.astimezone(UTC) + timedelta(microseconds=int(minutes * 60_000_000))
        return rfc3339(later.astimezone(moment.tzinfo))
    except OverflowError:
        raise Unsuited("there is no such day or time") from None


def _french(moment: date | datetime) -> str:
    day = "1er" if moment.day == 1 else str(moment.day)
    on = f"{day} {_MONTHS_FR[moment.month - 1]} {moment.year}"
    return f"{on} à {moment.hour} h {moment.minute:02d}" if isinstance(moment, datetime) else on


def _english(moment: date | datetime) -> str:
    on = f"{_MONTHS_EN[moment.month - 1]} {moment.day}, {moment.year}"
    if not isinstance(moment, datetime):
        return on
    return f"{on} at {moment.hour % 12 or 12}:{moment.minute:02d} {'PM' if moment.hour >= 12 else 'AM'}"


_LANGUAGES: Final[dict[str, Callable[[date | datetime], str]]] = {"fr": _french, "en": _english}


def _part(token: str, moment: date | datetime) -> str:
    if token in _OF_DAY:
        return _OF_DAY[token](moment)
    if token not in _OF_TIME:
        raise Unsuited(f"a date format has no %{token}")
    if not isinstance(moment, datetime):
        raise Unsuited(f"a day without time has no %{token}")
    return _OF_TIME[token](moment)


def _offset(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise Unsuited("a time without offset has no %z")
    return moment.strftime("%z")[:5]


_OF_DAY: Final[dict[str, Callable[[date], str]]] = {
    "Y": lambda day: f"{day.year:04d}",
    "m": lambda day: f"{day.month:02d}",
    "d": lambda day: f"{day.day:02d}",
    "j": lambda day: f"{day.timetuple().tm_yday:03d}",
    "%": lambda day: "%",
}
_OF_TIME: Final[dict[str, Callable[[datetime], str]]] = {
    "H": lambda moment: f"{moment.hour:02d}",
    "I": lambda moment: f"{moment.hour % 12 or 12:02d}",
    "p": lambda moment: "PM" if moment.hour >= 12 else "AM",
    "M": lambda moment: f"{moment.minute:02d}",
    "S": lambda moment: f"{moment.second:02d}",
    "L": lambda moment: f"{moment.microsecond // 1000:03d}",
    "z": _offset,
    ":z": lambda moment: f"{_offset(moment)[:3]}:{_offset(moment)[3:]}",
}
_READ: Final = {
    "Y": r"(?P<Y>\d{4})",
    "m": r"(?P<m>\d\d)",
    "d": r"(?P<d>\d\d)",
    "H": r"(?P<H>\d\d)",
    "M": r"(?P<M>\d\d)",
    "S": r"(?P<S>\d\d)",
    "L": r"(?P<L>\d{3})",
    "z": r"(?P<z>[+-]\d{4})",
    ":z": r"(?P<z>[+-]\d\d:\d\d)",
    "%": "%",
}


def _pattern(format: str) -> re.Pattern[str]:
    """Return what reads a format back; every part of it has a fixed width, so it runs in linear time."""
    written = ""
    position = 0
    seen: set[str] = set()
    for token in _TOKEN.finditer(format):
        name = token[1]
        if name not in _READ or name[-1] in seen:
            raise Unsuited(f"a format to read by has %{name} not at all, or once")
        seen.update(name[-1] if name != "%" else "")
        written += re.escape(format[position : token.start()]) + _READ[name]
        position = token.end()
    return re.compile(written + re.escape(format[position:]), re.ASCII)


def _known_format(format: Any) -> Any:
    for token in _TOKEN.finditer(as_text(format)):
        if token[1] not in _OF_DAY and token[1] not in _OF_TIME:
            raise ValueError(f"a date format has no %{token[1]}")
    return format


def _readable_format(format: Any) -> Any:
    _pattern(as_text(format))
    return format


def _known_zone(zone: Any) -> Any:
    zone_named(zone)
    return zone


def _known_language(language: Any) -> Any:
    if as_text(language)[:2].lower() not in _LANGUAGES:
        raise ValueError("readable knows fr and en")
    return language


FUNCTIONS = (
    Function("time", time, prepare={"zone": _known_zone}),
    Function("date", date_, prepare={"format": _known_format, "zone": _known_zone}),
    Function("parse_time", parse_time, prepare={"format": _readable_format, "zone": _known_zone}),
    Function("readable", readable, prepare={"language": _known_language, "zone": _known_zone}),
    Function("add_minutes", add_minutes, prepare={"zone": _known_zone}),
)
