"""Whoever waits for a double is told of each change, from whichever thread it comes."""

from __future__ import annotations

import asyncio

import pytest

from engine.testing.channels import Changes, CountedInMemory


async def test_a_change_of_another_thread_is_seen() -> None:
    changes, seen = Changes(), list[int]()

    def change() -> None:
        seen.append(1)
        changes.tell()

    waiting = asyncio.create_task(changes.until(lambda: len(seen) == 3))
    for _ in range(3):
        await asyncio.to_thread(change)
    await waiting
    assert seen == [1, 1, 1]


async def test_what_holds_already_is_not_waited_for() -> None:
    await Changes().until(lambda: True, seconds=0)


async def test_what_never_holds_ends_in_time() -> None:
    with pytest.raises(TimeoutError):
        await Changes().until(lambda: False, seconds=0.01)


async def test_counters_are_waited_for_by_their_labels() -> None:
    counted = CountedInMemory()
    waiting = asyncio.create_task(counted.until("events", 2, event="stored"))
    counted.count("events", event="other")
    counted.count("events", event="stored")
    await asyncio.sleep(0)
    assert not waiting.done()
    counted.count("events", event="stored")
    await waiting
    assert (counted.total("events", event="stored"), counted.total("events", event="none")) == (2, 0)
