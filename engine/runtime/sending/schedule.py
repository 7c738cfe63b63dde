"""When a delivery is tried again, and until when: full jitter, Retry-After, budgets in time and attempts.

Pure functions of a delivery, the current policy and the time; chance comes from outside, so that a seed gives the
same delays again. Time during which a gate kept the delivery back (`closed_ms`) is never counted against it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from engine.model import Delivery
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Retry

FALLBACK_RETRY = Retry(budget=3600.0)
"""How a fallback endpoint is insisted on where the route does not say."""

CLOCK_SLACK_MS = 60_000
"""Steps of the wall clock up to this size are waited out."""

_DOUBLINGS = 40
"""Beyond these the ceiling has long been reached; without a bound the power would overflow a float."""


def backoff(retry: Retry, number: int, rng: random.Random) -> float:
    """Draw the seconds to wait after failed attempt `number` (from 1): uniform(0, min(ceiling, first * 2**(n-1))).

    Source: full jitter, AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
    """
    return rng.uniform(0.0, min(retry.ceiling, retry.first * 2.0 ** min(number - 1, _DOUBLINGS)))


def retry_of(delivery: Delivery, policy: DestinationPolicy) -> Retry:
    """Return how the delivery's current hop is insisted on."""
    if delivery.hop == 0 and not delivery.fallback:
        return policy.retry
    return policy.fallback_retry.get(delivery.endpoint, FALLBACK_RETRY)


def timeout_of(delivery: Delivery, policy: DestinationPolicy, endpoint: EndpointPolicy) -> float:
    """Return the seconds that one attempt at the current hop may take."""
    if delivery.hop == 0 and not delivery.fallback:
        return endpoint.timeout if policy.timeout is None else policy.timeout
    return policy.fallback_timeout.get(delivery.endpoint, endpoint.timeout)


def hop_end_ms(delivery: Delivery, retry: Retry, began_ms: int, closed_ms: int) -> int:
    """Return the moment after which no further attempt starts at this hop; `began_ms` is its first attempt's."""
    return (delivery.hop_ms or began_ms) + round(retry.budget * 1000) + closed_ms


def next_due_ms(delay: float, retry_after: float | None, now_ms: int, end_ms: int) -> int:
    """Return when to try again: the longer of backoff and Retry-After, at the latest when the budget ends.

    Source: RFC 9110 10.2.3 (Retry-After).
    """
    wait = delay if retry_after is None else max(delay, retry_after)
    return min(now_ms + math.ceil(min(wait, 1e9) * 1000), end_ms)


def fallback_due_ms(delivery: Delivery, policy: DestinationPolicy, closed_ms: int) -> int | None:
    """Return when the next hop takes over from the first one, None when time alone does not bring that about."""
    if delivery.hop or delivery.fallback or policy.fallback_after is None or len(delivery.chain) < 2:
        return None
    return delivery.accepted_ms + round(policy.fallback_after * 1000) + closed_ms


def given_up_ms(
    delivery: Delivery, policy: DestinationPolicy, closed_since: Callable[[int], int]
) -> int | None:
    """Return when a head that an open breaker keeps back is given up at this hop, None when it may wait on.

    That is when the next hop takes over, or the budget ends: an open breaker is our own caution, so its time counts.
    What was never tried here is not given up for good; it moves on, where there is a next hop.
    """
    takeover = fallback_due_ms(delivery, policy, closed_since(delivery.accepted_ms))
    if not delivery.hop_ms and delivery.hop + 1 >= len(delivery.chain):
        return takeover
    began_ms = delivery.hop_ms or delivery.due_ms
    end_ms = hop_end_ms(delivery, retry_of(delivery, policy), began_ms, closed_since(began_ms))
    return end_ms if takeover is None else min(takeover, end_ms)


def deadline_ms(delivery: Delivery, fallback_ms: int | None) -> int | None:
    """Return the earlier of fallback and expiry: what the store finds as overdue."""
    if fallback_ms is None or delivery.expire_ms is None:
        return delivery.expire_ms if fallback_ms is None else fallback_ms
    return min(fallback_ms, delivery.expire_ms)


def plausible_due_ms(delivery: Delivery, now_ms: int) -> int:
    """Return the row's due time, or now where the wall clock went back behind the hop's own beginning.

    A retry that was scheduled while the clock was years ahead would otherwise wait for years.
    """
    return now_ms if delivery.hop_ms > now_ms + CLOCK_SLACK_MS else delivery.due_ms
