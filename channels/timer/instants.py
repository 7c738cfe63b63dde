"""The instants of a schedule, in UTC milliseconds; exact over daylight saving.

A cron expression is about the clock on the wall. croniter reads it there, without a zone, and this module says which
instant each wall time is: the first of two, and the end of the gap for one that does not exist. Left to itself with
zoned times, croniter decides both by the offset at the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_SECOND = 1000
_HOUR = 3_600_000
_PIECE = r"(?:\*|[0-9]+|[A-Za-z]{3})"
_FIELD = re.compile(rf"{_PIECE}(?:[,/-]{_PIECE})*", re.ASCII)


class Instants(Protocol):
    """A schedule as a function: the first instant strictly after `instant_ms`."""

    def next_after(self, instant_ms: int) -> int: ...


class Period:
    """Every so many milliseconds since the beginning of 1970."""

    def __init__(self, period: timedelta) -> None:
        self._period = round(period / timedelta(milliseconds=1))

    def next_after(self, instant_ms: int) -> int:
        return (instant_ms // self._period + 1) * self._period


class Cron:
    """A cron expression on the wall clock of a zone."""

    def __init__(self, expression: str, zone: str) -> None:
        self._expression = expression
        self._zone = ZoneInfo(zone)

    def next_after(self, instant_ms: int) -> int:
        wall = _from_ms(instant_ms).astimezone(self._zone).replace(tzinfo=None)
        following = _walls(self._expression, wall)
        # Within an hour that comes a second time, the wall times ahead are instants behind: go on past them.
        while (found := _instant(following(), self._zone)) <= instant_ms:
            pass
        return found


def check_cron(text: str) -> str:
    """Return a cron expression of five fields that some day comes true; ValueError otherwise."""
    from croniter import CroniterError

    fields = text.split()
    # croniter knows more than crontab: a sixth field, and `r` and `h` that mean another time on every machine.
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError
    try:
        _walls(text, datetime(2024, 1, 1))()  # noqa: DTZ001  a wall time has no zone
    except CroniterError:
        raise ValueError(f'"{text}" never comes true') from None
    return text


def _walls(expression: str, wall: datetime) -> Callable[[], datetime]:
    """Return a function that gives the wall times after `wall`, one by one."""
    from croniter import croniter  # a tenth of a second, and only timers need it

    iterator = croniter(expression, wall)

    def following() -> datetime:
        found: datetime = iterator.get_next(datetime)
        return found

    return following


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    first = wall.replace(tzinfo=zone)
    there = first.astimezone(UTC)
    if there.astimezone(zone).replace(tzinfo=None) == wall:
        return _to_ms(there)
    # The clock skips this time. Its two readings lie on either side of the jump (PEP 495): halve in between.
    before, after = _to_ms(wall.replace(tzinfo=zone, fold=1)), _to_ms(there)
    offset = _offset(before, zone)
    while after - before > _SECOND:
        middle = (before + after) // (2 * _SECOND) * _SECOND
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(instant_ms: int, zone: ZoneInfo) -> timedelta | None:
    return _from_ms(instant_ms).astimezone(zone).utcoffset()


def latest(instants: Instants, after_ms: int, until_ms: int, *, most: int) -> Sequence[int]:
    """Return the last `most` instants in (after, until], oldest first, without walking through a long absence."""
    window = _HOUR
    while True:
        begin = max(after_ms, until_ms - window)
        found = []
        instant = instants.next_after(begin)
        while instant <= until_ms:
            found.append(instant)
            instant = instants.next_after(instant)
        if begin == after_ms or len(found) >= most:
            return found[-most:]
        window *= 2


def _from_ms(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


def _to_ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def written(instant_ms: int, zone: str) -> str:
    """Return an instant in RFC 3339 with the zone's offset, `Z` for UTC; whole seconds, as schedules have them."""
    text = _from_ms(instant_ms).astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if zone == "UTC" else text
