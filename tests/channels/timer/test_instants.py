"""Instants of schedules: daylight saving in America/Toronto, long absences, and what is no schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.timer.instants import Cron, Instants, Period, check_cron, latest, written

ZONE = "America/Toronto"


def ms(text: str) -> int:
    """Return the UTC milliseconds of a time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def following(instants: Instants, start: str, count: int) -> list[str]:
    """Return the first `count` instants after `start`, written in the zone."""
    found, instant = [], ms(start)
    for _ in range(count):
        instant = instants.next_after(instant)
        found.append(written(instant, ZONE))
    return found


def test_an_hour_that_exists_twice_fires_once() -> None:
    assert following(Cron("30 * * * *", ZONE), "2026-11-01T00:45:00-04:00", 3) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T02:30:00-05:00",
        "2026-11-01T03:30:00-05:00",
    ]


def test_a_start_within_the_second_of_two_hours_waits_for_the_next_new_hour() -> None:
    assert following(Cron("*/15 * * * *", ZONE), "2026-11-01T01:20:00-05:00", 2) == [
        "2026-11-01T02:00:00-05:00",
        "2026-11-01T02:15:00-05:00",
    ]


def test_a_daily_time_that_does_not_exist_fires_when_the_gap_is_over() -> None:
    assert following(Cron("30 2 * * *", ZONE), "2026-03-07T12:00:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]


def test_all_that_falls_into_the_gap_fires_once() -> None:
    assert following(Cron("*/20 * * * *", ZONE), "2026-03-08T01:30:00-05:00", 3) == [
        "2026-03-08T01:40:00-05:00",
        "2026-03-08T03:00:00-04:00",
        "2026-03-08T03:20:00-04:00",
    ]


def test_a_zone_that_skipped_a_whole_day_fires_after_it() -> None:
    before = ms("2011-12-29T23:59:00-10:00")
    assert written(Cron("0 12 30 12 *", "Pacific/Apia").next_after(before), "Pacific/Apia") == (
        "2011-12-31T00:00:00+14:00"
    )


def test_weekdays_names_and_steps() -> None:
    assert following(Cron("0 9-17/4 * * mon-fri", ZONE), "2026-11-06T13:30:00-05:00", 3) == [
        "2026-11-06T17:00:00-05:00",
        "2026-11-09T09:00:00-05:00",
        "2026-11-09T13:00:00-05:00",
    ]


def test_a_period_is_counted_from_1970_whatever_the_start() -> None:
    period = Period(timedelta(minutes=15))
    assert following(period, "2026-11-02T09:07:31-05:00", 2) == [
        "2026-11-02T09:15:00-05:00",
        "2026-11-02T09:30:00-05:00",
    ]


@given(st.integers(ms("2025-01-01T00:00:00+00:00"), ms("2028-01-01T00:00:00+00:00")))
def test_the_next_instant_is_later_and_nothing_lies_between(start: int) -> None:
    cron = Cron("*/10 * * * *", ZONE)
    found = cron.next_after(start)
    assert found > start
    assert cron.next_after(found - 1) == found
    wall = datetime.fromtimestamp(found / 1000, UTC).astimezone(ZoneInfo(ZONE))
    assert (wall.minute % 10, wall.second) == (0, 0)


def test_the_latest_instants_of_a_long_absence_are_found_in_time() -> None:
    asked: list[int] = []

    class Counted(Cron):
        def next_after(self, instant_ms: int) -> int:
            asked.append(instant_ms)
            return super().next_after(instant_ms)

    until = ms("2026-11-02T09:00:30-05:00")
    found = latest(Counted("* * * * *", ZONE), ms("2024-01-01T00:00:00-05:00"), until, most=100)
    assert len(found) == 100
    assert written(found[-1], ZONE) == "2026-11-02T09:00:00-05:00"
    assert len(asked) < 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hourly",
        "@hourly",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "R * * * *",
        "H * * * *",
        "0 0 30 2 *",
        "0 0 r(1-3) * *",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_cron(text)


@pytest.mark.parametrize(
    "text", ["0 * * * *", "30 6 1,15 jan-mar mon", "*/5 8-18 * * *", "0 0 * * thu", "0 0 * mar fri"]
)
def test_what_is_a_schedule_is_taken(text: str) -> None:
    assert check_cron(text) == text
