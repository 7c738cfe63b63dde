"""When a delivery is tried again: full jitter, Retry-After, budgets."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Hop
from engine.runtime.sending import schedule
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Retry
from tests.runtime.sending.values import HOUR, NOW, delivery

RETRY = Retry(first=2.0, ceiling=300.0, budget=86_400.0)


def test_a_seed_gives_the_published_delays() -> None:
    rng, same = random.Random(42), random.Random(42)
    drawn = [schedule.backoff(RETRY, number, rng) for number in range(1, 11)]
    assert drawn == [same.uniform(0.0, min(300.0, 2.0 * 2 ** (number - 1))) for number in range(1, 11)]


@settings(deadline=None)
@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_a_delay_lies_between_nothing_and_its_ceiling(number: int, seed: int) -> None:
    delay = schedule.backoff(RETRY, number, random.Random(seed))
    assert 0.0 <= delay <= min(300.0, 2.0 * 2.0 ** min(number - 1, 40))


@pytest.mark.parametrize(
    ("delay", "retry_after", "expected"),
    [(3.0, None, 3_000), (3.0, 10.0, 10_000), (3.0, 1.0, 3_000), (0.0004, None, 1), (3.0, 1e12, HOUR)],
)
def test_retry_after_and_backoff_the_longer_counts_within_the_budget(
    delay: float, retry_after: float | None, expected: int
) -> None:
    assert schedule.next_due_ms(delay, retry_after, NOW, NOW + HOUR) == NOW + expected


def test_a_budget_begins_with_the_hops_first_attempt_and_waits_behind_gates() -> None:
    first = delivery(hop_ms=0)
    later = delivery(hop_ms=NOW - 1_000)
    retry = Retry(budget=10.0)
    assert schedule.hop_end_ms(first, retry, NOW, 0) == NOW + 10_000
    assert schedule.hop_end_ms(later, retry, NOW, 0) == NOW + 9_000
    assert schedule.hop_end_ms(later, retry, NOW, 5_000) == NOW + 14_000


def test_a_fallback_has_its_own_retry_and_timeout() -> None:
    policy = DestinationPolicy(
        "r",
        "d",
        retry=RETRY,
        timeout=7.0,
        fallback_retry={"clinic.queue": Retry(budget=60.0)},
        fallback_timeout={"clinic.queue": 9.0},
    )
    endpoint = EndpointPolicy("clinic.queue", "clinic", timeout=30.0)
    onward = delivery(hop=1)
    assert schedule.retry_of(delivery(), policy) is RETRY
    assert schedule.retry_of(onward, policy).budget == 60.0
    assert schedule.timeout_of(delivery(), policy, endpoint) == 7.0
    assert schedule.timeout_of(onward, policy, endpoint) == 9.0


def test_a_chain_that_begins_with_a_fallback_is_retried_as_one() -> None:
    policy = DestinationPolicy("r", "d", retry=RETRY)
    started_there = delivery(chain=(Hop("clinic.queue"),), fallback=True)
    assert schedule.retry_of(started_there, policy) is schedule.FALLBACK_RETRY
    assert schedule.FALLBACK_RETRY.budget == 3600.0


def test_time_alone_brings_only_the_first_hop_to_its_fallback() -> None:
    policy = DestinationPolicy("r", "d", fallback_after=900.0)
    assert schedule.fallback_due_ms(delivery(), policy, 0) == NOW + 900_000
    assert schedule.fallback_due_ms(delivery(), policy, 60_000) == NOW + 960_000
    assert schedule.fallback_due_ms(delivery(hop=1), policy, 0) is None
    assert schedule.fallback_due_ms(delivery(fallback=True), policy, 0) is None
    assert schedule.fallback_due_ms(delivery(chain=(Hop("clinic.emr"),)), policy, 0) is None
    assert schedule.fallback_due_ms(delivery(), DestinationPolicy("r", "d"), 0) is None


def test_a_deadline_is_the_earlier_of_fallback_and_expiry() -> None:
    assert schedule.deadline_ms(delivery(expire_ms=5), 9) == 5
    assert schedule.deadline_ms(delivery(expire_ms=9), 5) == 5
    assert schedule.deadline_ms(delivery(expire_ms=9), None) == 9
    assert schedule.deadline_ms(delivery(), 5) == 5
    assert schedule.deadline_ms(delivery(), None) is None


def test_a_retry_scheduled_under_a_clock_that_was_years_ahead_is_due_now() -> None:
    years = 10 * 365 * 24 * HOUR
    wrong = delivery(hop_ms=NOW + years, due_ms=NOW + years + HOUR)
    right = delivery(hop_ms=NOW - HOUR, due_ms=NOW + HOUR)
    assert schedule.plausible_due_ms(wrong, NOW) == NOW
    assert schedule.plausible_due_ms(right, NOW) == NOW + HOUR
