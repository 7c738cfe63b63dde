"""Maintenance windows: when a partner's weekly windows open and close, in its own zone.

A boundary at an hour that daylight saving skips falls on the moment of the change; at an hour that comes twice a
window begins with the first and ends with the second, so that it is never shorter than the partner meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.runtime.sending.policy import Maintenance

_DAY = 1440
_HORIZON_MS = 8 * 86_400_000
"""A weekly window begins again within this time."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window is open, in UTC ms, the end excluded."""

    start_ms: int
    end_ms: int
    catch_up: float | None = None


def occurrences(window: Maintenance, from_ms: int, to_ms: int) -> Iterator[Occurrence]:
    """Yield the window's occurrences that overlap [from_ms, to_ms), in order."""
    zone = ZoneInfo(window.zone)
    day = datetime.fromtimestamp(from_ms / 1000, zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(to_ms / 1000, zone).date()
    while day <= last:
        if day.weekday() in window.days:
            closing = day if window.end > window.start else day + timedelta(days=1)
            start = _instant_ms(day, window.start, zone, fold=0)
            end = _instant_ms(closing, window.end, zone, fold=1)
            if start < to_ms and end > from_ms:
                yield Occurrence(start, end, window.catch_up)
        day += timedelta(days=1)


def current(windows: Sequence[Maintenance], now_ms: int) -> Occurrence | None:
    """Return the open occurrence that ends last, None when no window is open."""
    open_now = [each for window in windows for each in occurrences(window, now_ms, now_ms + 1)]
    return max(open_now, key=lambda each: each.end_ms, default=None)


def next_start_ms(windows: Sequence[Maintenance], now_ms: int) -> int:
    """Return when the next window opens after `now_ms`; some days ahead when none does sooner."""
    horizon = now_ms + _HORIZON_MS
    starts = [each.start_ms for window in windows for each in occurrences(window, now_ms, horizon)]
    return min((start for start in starts if start > now_ms), default=horizon)


def _instant_ms(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> int:
    """Return the UTC ms of a local time; one that is skipped becomes the moment of the change."""
    whole_days, rest = divmod(minute, _DAY)
    local = datetime.combine(day + timedelta(days=whole_days), time(rest // 60, rest % 60), zone).replace(
        fold=fold
    )
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        instant = _change(instant - timedelta(hours=26), instant + timedelta(hours=26), local, zone)
    return round(instant.timestamp() * 1000)


def _change(low: datetime, high: datetime, local: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second whose local time is past `local`, which no second has."""
    wanted = local.replace(tzinfo=None)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < wanted:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
