"""The timer: the contract of every way in on a clock that the test moves, then what it does about missed instants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import ValidationError

from channels.timer.inbound import STATE, TimerInbound
from channels.timer.instants import Cron, written
from channels.timer.model import TimerListener
from engine.spi import ChannelContext, SmallState
from engine.testing.channels import (
    Answer,
    InboundContract,
    RecordingIntake,
    Sender,
    StateInMemory,
    channel_context,
)
from engine.testing.virtual_clock import VirtualClock

ZONE = "America/Toronto"
START = datetime.fromisoformat("2026-11-02T08:59:30-05:00")


class Hours(Sender):
    """Lets time pass from hour to hour; what was done is what the timer remembers."""

    redelivers = True
    limit = 1
    refusal = Answer.ACCEPTED  # nobody is told

    def __init__(self) -> None:
        self.clock: VirtualClock = VirtualClock(START)
        self.config = TimerListener.model_validate({"timer": {"cron": "0 * * * *", "missed": "run_all"}})
        self.state: SmallState = StateInMemory()

    async def connect(self, address: str) -> None:
        assert address == "0 * * * *"

    async def offer(self) -> str:
        following = Cron("0 * * * *", ZONE).next_after(self.clock.now_ms())
        self.clock.advance_to(following)
        return written(following, "UTC")

    async def answer(self, control_id: str) -> Answer:
        instant = round(datetime.fromisoformat(control_id).timestamp() * 1000)
        while int(await self.state.get(STATE) or 0) < instant:
            await anyio.sleep(0.005)
            self.clock.advance_to(self.clock.now_ms() + 200)
        return Answer.ACCEPTED


class TestTimer(InboundContract):
    """A timer hears no answer: it remembers what it did."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        yield Hours()

    def context(self, sender: Sender, folder: Path, state: SmallState) -> ChannelContext:
        assert isinstance(sender, Hours)
        sender.state = state
        return super().context(sender, folder, state)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def asleep(clock: VirtualClock) -> None:
    """Return once the timer waits for its time."""
    for _ in range(10_000):
        if clock.next_wake_ms() is not None:
            return
        await anyio.lowlevel.checkpoint()
    raise TimeoutError("the timer does not wait")


async def ran(
    folder: Path, *, last: str | None, now: str, advance: str = "", **timetable: Any
) -> tuple[list[str], StateInMemory]:
    """Serve from `now`, let time pass to `advance`, stop, and return the control ids and the state."""
    state = StateInMemory()
    if last is not None:
        await state.put(STATE, str(ms(last)))
    clock = VirtualClock(datetime.fromisoformat(now))
    intake = RecordingIntake()
    config = TimerListener.model_validate({"timer": timetable})
    channel = TimerInbound(config, channel_context(folder, clock=clock, state=state, zone=ZONE))
    async with anyio.create_task_group() as group:
        await group.start(channel.serve, intake)
        await asleep(clock)
        if advance:
            clock.advance_to(ms(advance))
            await asleep(clock)
        await channel.stop()
    return intake.control_ids, state


async def test_the_message_says_the_instant_in_local_time_and_utc(tmp_path: Path) -> None:
    intake = RecordingIntake()
    clock = VirtualClock(START)
    config = TimerListener.model_validate({"timer": {"cron": "0 9 * * *", "zone": ZONE}})
    channel = TimerInbound(config, channel_context(tmp_path, clock=clock, zone="UTC"))
    async with anyio.create_task_group() as group:
        await group.start(channel.serve, intake)
        await asleep(clock)
        clock.advance_to(ms("2026-11-02T09:00:20-05:00"))
        await intake.until(1)
        await channel.stop()
    assert json.loads(intake.messages[0].body.read()) == {
        "at": "2026-11-02T09:00:00-05:00",
        "scheduled": "2026-11-02T14:00:00Z",
    }


async def test_a_timer_that_never_ran_runs_nothing_of_the_past(tmp_path: Path) -> None:
    ids, state = await ran(tmp_path, last=None, now="2026-11-02T09:30:00-05:00", cron="0 * * * *")
    assert ids == []
    assert state.values[STATE] == str(ms("2026-11-02T09:30:00-05:00"))


@pytest.mark.parametrize(
    ("missed", "ids"),
    [
        ("run_once", ["2026-11-02T14:00:00Z"]),
        ("run_all", ["2026-11-02T12:00:00Z", "2026-11-02T13:00:00Z", "2026-11-02T14:00:00Z"]),
        ("skip", []),
    ],
)
async def test_what_was_missed_is_run_as_the_timetable_says(
    tmp_path: Path, missed: str, ids: list[str]
) -> None:
    found, state = await ran(
        tmp_path,
        last="2026-11-02T06:00:00-05:00",
        now="2026-11-02T09:30:00-05:00",
        cron="0 * * * *",
        missed=missed,
    )
    assert found == ids
    assert state.values[STATE] == str(ms("2026-11-02T09:00:00-05:00"))


async def test_an_instant_a_moment_ago_is_not_missed(tmp_path: Path) -> None:
    found, _ = await ran(
        tmp_path,
        last="2026-11-02T08:00:00-05:00",
        now="2026-11-02T09:00:20-05:00",
        cron="0 * * * *",
        missed="skip",
    )
    assert found == ["2026-11-02T14:00:00Z"]


async def test_a_long_absence_is_bounded(tmp_path: Path) -> None:
    found, _ = await ran(
        tmp_path,
        last="2026-01-01T00:00:00-05:00",
        now="2026-11-02T09:00:30-05:00",
        cron="* * * * *",
        missed="run_all",
    )
    assert (len(found), found[-1]) == (100, "2026-11-02T14:00:00Z")


async def test_what_ran_does_not_run_again_when_the_clock_steps_back(tmp_path: Path) -> None:
    found, _ = await ran(
        tmp_path,
        last="2026-11-02T10:00:00-05:00",
        now="2026-11-02T08:30:00-05:00",
        advance="2026-11-02T10:30:00-05:00",
        cron="0 * * * *",
    )
    assert found == []


async def test_a_period_needs_no_zone(tmp_path: Path) -> None:
    found, _ = await ran(
        tmp_path,
        last="2026-11-02T09:10:00-05:00",
        now="2026-11-02T09:14:59-05:00",
        advance="2026-11-02T09:15:00-05:00",
        every="15m",
    )
    assert found == ["2026-11-02T14:15:00Z"]


@pytest.mark.parametrize(
    "timetable", [{}, {"cron": "0 * * * *", "every": "1m"}, {"every": "10ms"}, {"cron": "0 * * *"}]
)
def test_a_timetable_is_one_cron_or_one_period(timetable: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TimerListener.model_validate({"timer": timetable})


def test_a_timer_needs_no_tls() -> None:
    assert TimerListener.model_validate({"timer": {"every": "1h"}}).exposure() is None
