"""Time stands still until a test moves it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from engine.testing.virtual_clock import VirtualClock

START = datetime(2026, 11, 2, 14, tzinfo=UTC)


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = VirtualClock(START)
    woken: list[str] = []

    async def wait(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(wait("late", 60)), asyncio.create_task(wait("early", 5))]
    await asyncio.sleep(0)
    clock.advance_to(clock.now_ms() + 59_999)
    await asyncio.sleep(0)
    assert woken == ["early"]
    clock.advance_to(clock.now_ms() + 1)
    await asyncio.gather(*tasks)
    assert woken == ["early", "late"]
    assert clock.monotonic() == 60.0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = VirtualClock(START)
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.next_wake_ms() is None


def test_it_does_not_go_back() -> None:
    clock = VirtualClock(START)
    with pytest.raises(ValueError, match="back"):
        clock.advance_to(clock.now_ms() - 1)
