"""Rates and bytes."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runtime.sending.limits import ByteBudget, TokenBucket


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine draws slowly
@given(st.floats(0.1, 1000.0), st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60))
def test_a_bucket_never_exceeds_its_rate(rate: float, gaps: list[float]) -> None:
    bucket, now, taken = TokenBucket(), 0.0, 0
    for gap in gaps:
        now += gap
        while not bucket.wait(rate, now):
            bucket.take()
            taken += 1
    assert taken <= max(1.0, rate * 0.1) + rate * now + 1e-6


def test_a_bucket_says_exactly_when_the_next_may_go() -> None:
    bucket = TokenBucket()
    assert bucket.wait(4.0, 10.0) == 0.0
    bucket.take()
    assert bucket.wait(4.0, 10.0) == 0.25
    assert bucket.wait(4.0, 10.25) == 0.0


def test_a_rate_that_changes_starts_without_a_hoard() -> None:
    bucket = TokenBucket()
    bucket.wait(1000.0, 0.0)
    for _ in range(100):
        bucket.take()
    assert bucket.wait(2.0, 0.0) > 0.0


async def test_bytes_wait_their_turn_in_order() -> None:
    budget = ByteBudget(100)
    await budget.take(80)
    first = asyncio.ensure_future(budget.take(50))
    second = asyncio.ensure_future(budget.take(10))
    await asyncio.sleep(0)
    assert not budget.fits(1), "a small one must not pass those who wait"
    budget.give(80)
    await first
    await second
    assert budget.used == 60


async def test_a_body_larger_than_the_budget_goes_alone() -> None:
    budget = ByteBudget(100)
    await budget.take(500)
    waiting = asyncio.ensure_future(budget.take(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give(500)
    await waiting
    assert budget.used == 1


async def test_who_gives_up_waiting_leaves_nothing_taken() -> None:
    budget = ByteBudget(100)
    await budget.take(100)
    waiting = asyncio.ensure_future(budget.take(60))
    await asyncio.sleep(0)
    budget.give(100)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (waiting.cancelled(), budget.used) == (True, 0)
