"""Maintenance windows in the partner's zone, over both changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.runtime.sending import maintenance
from engine.runtime.sending.policy import Maintenance

MONTREAL = ZoneInfo("America/Toronto")
TUESDAY = Maintenance(frozenset({1}), 22 * 60, 2 * 60, "America/Toronto", catch_up=5.0)
SUNDAY = 6


def local(text: str, *, fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=MONTREAL, fold=fold).timestamp() * 1000)


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "open_now"),
    [
        ("2026-11-03T21:59:59", False),
        ("2026-11-03T22:00:00", True),
        ("2026-11-04T00:00:00", True),
        ("2026-11-04T01:59:59", True),
        ("2026-11-04T02:00:00", False),
        ("2026-11-04T22:30:00", False),
        ("2026-11-02T23:00:00", False),
    ],
)
def test_a_window_passes_midnight(at: str, open_now: bool) -> None:
    found = maintenance.current([TUESDAY], local(at))
    assert (found is not None) is open_now
    assert found is None or (found.end_ms, found.catch_up) == (local("2026-11-04T02:00:00"), 5.0)


def test_a_window_that_ends_in_the_hour_that_comes_twice_ends_with_the_second() -> None:
    # 2026-11-01 02:00 EDT becomes 01:00 EST: 01:30 comes at 05:30 and at 06:30 UTC.
    window = Maintenance(frozenset({SUNDAY}), 0, 90, "America/Toronto")
    (found,) = maintenance.occurrences(window, utc("2026-11-01T00:00:00"), utc("2026-11-02T00:00:00"))
    assert (found.start_ms, found.end_ms) == (utc("2026-11-01T04:00:00"), utc("2026-11-01T06:30:00"))


def test_a_window_that_begins_in_the_hour_that_comes_twice_begins_with_the_first() -> None:
    window = Maintenance(frozenset({SUNDAY}), 90, 180, "America/Toronto")
    (found,) = maintenance.occurrences(window, utc("2026-11-01T00:00:00"), utc("2026-11-02T00:00:00"))
    assert (found.start_ms, found.end_ms) == (utc("2026-11-01T05:30:00"), utc("2026-11-01T08:00:00"))


@pytest.mark.parametrize(
    ("start", "end", "from_utc", "to_utc"),
    [
        (60, 150, "2026-03-08T06:00:00", "2026-03-08T07:00:00"),  # 01:00 to 02:30, which does not exist
        (150, 240, "2026-03-08T07:00:00", "2026-03-08T08:00:00"),  # 02:30 to 04:00
        (60, 240, "2026-03-08T06:00:00", "2026-03-08T08:00:00"),  # 01:00 to 04:00: two hours that night
    ],
)
def test_a_boundary_in_the_hour_that_is_skipped_is_the_change_itself(
    start: int, end: int, from_utc: str, to_utc: str
) -> None:
    window = Maintenance(frozenset({SUNDAY}), start, end, "America/Toronto")
    (found,) = maintenance.occurrences(window, utc("2026-03-08T00:00:00"), utc("2026-03-09T00:00:00"))
    assert (found.start_ms, found.end_ms) == (utc(from_utc), utc(to_utc))


def test_of_two_open_windows_the_one_that_ends_last_counts() -> None:
    short = Maintenance(frozenset({1}), 23 * 60, 23 * 60 + 30, "America/Toronto")
    found = maintenance.current([short, TUESDAY], local("2026-11-03T23:10:00"))
    assert found is not None and found.end_ms == local("2026-11-04T02:00:00")


def test_the_next_start_is_known_a_week_ahead() -> None:
    assert maintenance.next_start_ms([TUESDAY], local("2026-11-04T02:00:00")) == local("2026-11-10T22:00:00")
    never = Maintenance(frozenset(), 0, 60, "America/Toronto")
    assert maintenance.next_start_ms([never], 0) > 7 * 86_400_000


def test_a_window_of_a_whole_day_begins_and_ends_at_the_same_hour() -> None:
    whole = Maintenance(frozenset({1}), 480, 480, "America/Toronto")
    found = maintenance.current([whole], local("2026-11-04T07:59:00"))
    assert found is not None and found.end_ms == local("2026-11-04T08:00:00")
