"""Scalars that measure: durations, delays, rates, dates, zones, sizes, counts, shares, true and false.

Each is `Annotated[value type, Reading(...)]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.config.reading import Reading
from engine.config.text import shown

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w|y)", re.ASCII)
_DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w|y)$"


def read_duration(text: str) -> timedelta:
    """Read `30s`, `5m`, `1.5h`, `24h`, `7d`, `2w` or `7y` (a year is 365 days); ValueError otherwise."""
    match = _DURATION.fullmatch(text)
    if not match:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
            raise ValueError(f'"{shown(text)}" has no unit')
        raise ValueError
    try:
        return float(match[1]) * _UNITS[match[2]]
    except OverflowError:
        raise ValueError(f'"{shown(text)}" is too long') from None


Duration = Annotated[
    timedelta,
    Reading(
        "a duration",
        "write 30s, 5m, 24h or 7d",
        timedelta,
        read_duration,
        {"type": "string", "pattern": _DURATION_PATTERN},
    ),
]


@dataclass(frozen=True, slots=True)
class Backoff:
    """The range of an exponential delay: the first one is at most `first`, none is longer than `longest`."""

    first: timedelta
    longest: timedelta

    def __str__(self) -> str:
        return f"{duration_text(self.first)}..{duration_text(self.longest)}"


def read_backoff(text: str) -> Backoff:
    """Read `2s..5m`; ValueError otherwise."""
    first, dots, longest = text.partition("..")
    if not dots:
        raise ValueError
    backoff = Backoff(read_duration(first), read_duration(longest))
    if not timedelta(0) < backoff.first <= backoff.longest:
        raise ValueError(
            f'"{shown(text)}" does not grow: the first delay is above zero and at most the second'
        )
    return backoff


BackoffRange = Annotated[
    Backoff,
    Reading(
        "a range of delays",
        "write 2s..5m",
        Backoff,
        read_backoff,
        {"type": "string", "pattern": r"^[0-9.]+(ms|s|m|h|d)\.\.[0-9.]+(ms|s|m|h|d)$"},
    ),
]


def duration_text(value: timedelta) -> str:
    """Return a duration as people write it: the largest unit that divides it, `90s` rather than `1.5m`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit in ("d", "h", "m", "s"):
        size = round(_UNITS[unit] / timedelta(milliseconds=1))
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per period."""

    count: int
    period: timedelta

    @property
    def per_second(self) -> float:
        return self.count / self.period.total_seconds()

    def __str__(self) -> str:
        return f"{self.count}/{duration_text(self.period).removeprefix('1')}"


def read_rate(text: str) -> Rate:
    """Read `5/s`, `20/m` or `100/10s`; ValueError otherwise."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([0-9]*)(s|m|h|d)", text, re.ASCII)
    period = int(match[2] or 1) if match else 0
    if match is None or period == 0:
        raise ValueError
    return Rate(int(match[1]), period * _UNITS[match[3]])


RateLimit = Annotated[
    Rate,
    Reading(
        "a rate",
        "write 5/s, 20/m or 100/10s",
        Rate,
        read_rate,
        {"type": "string", "pattern": "^[1-9][0-9]*/[0-9]*[smhd]$"},
    ),
]


def read_date(text: str) -> date:
    """Read an ISO 8601 calendar date, `2027-06-30`; ValueError otherwise."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise ValueError
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'there is no day "{shown(text)}"') from None


Date = Annotated[
    date, Reading("a date", "write 2027-06-30", date, read_date, {"type": "string", "format": "date"})
]


def read_zone(text: str) -> str:
    """Read the name of a time zone of the IANA database; ValueError otherwise."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError from None
    return text


ZoneName = Annotated[
    str,
    Reading(
        "a time zone",
        "write America/Toronto, or UTC",
        (),
        read_zone,
        {"type": "string", "examples": ["America/Toronto"]},
    ),
]


_SIZES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def read_size(text: str) -> int:
    """Read a number of bytes, `512B`, `10MB` (10 000 000) or `128KiB` (131 072); ValueError otherwise."""
    match = re.fullmatch(r"([0-9]{1,12})([kKMG]?i?B)", text, re.ASCII)
    if not match or match[2] not in _SIZES:
        if re.fullmatch(r"[0-9]+", text, re.ASCII):
            raise ValueError(f'"{shown(text)}" has no unit')
        raise ValueError
    return int(match[1]) * _SIZES[match[2]]


Size = Annotated[
    int,
    Reading(
        "a size",
        "write 10MB or 128KiB",
        int,
        read_size,
        {"type": "string", "pattern": "^[0-9]+([kKMG]?B|[KMG]iB)$"},
    ),
]


def whole(minimum: int = 0, maximum: int | None = None) -> Reading:
    """Return how to read a whole number between `minimum` and `maximum`, both included."""
    bounds = f"from {minimum}" + ("" if maximum is None else f" to {maximum}")

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            raise ValueError
        number = int(text)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(f'"{shown(text)}" is out of range')
        return number

    limits: dict[str, Any] = {"type": "integer", "minimum": minimum}
    if maximum is not None:
        limits["maximum"] = maximum
    return Reading("a whole number", f"write a number {bounds}", int, read, limits)


Count = Annotated[int, whole(1)]


def read_bool(text: str) -> bool:
    """Read `true` or `false` and nothing else; ValueError otherwise."""
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


Bool = Annotated[bool, Reading("true or false", "write true or false", bool, read_bool, {"type": "boolean"})]
