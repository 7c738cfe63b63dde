"""A breaker's states over time."""

from __future__ import annotations

import pytest

from engine.model import Result
from engine.runtime.sending.breaker import MAX_OPEN, Breaker, Pass, Phase
from engine.runtime.sending.policy import EndpointPolicy

POLICY = EndpointPolicy("clinic.emr", "clinic", breaker_failures=3, breaker_open=30.0)
PROBE = b"probe"


def breaker(heard: list[tuple[str, Phase]] | None = None) -> Breaker:
    listener = heard if heard is not None else []
    return Breaker("clinic.emr", lambda name, phase: listener.append((name, phase)))


def fail(one: Breaker, times: int, at: float = 0.0, *, result: Result = Result.TRANSIENT) -> None:
    """Fail for `times` different lanes."""
    for number in range(times):
        one.record(result, b"lane%d" % number, POLICY, at)


@pytest.mark.parametrize("result", [Result.TRANSIENT, Result.UNKNOWN, Result.BUG])
def test_it_opens_after_consecutive_failures_of_the_endpoint(result: Result) -> None:
    one = breaker()
    fail(one, 2, result=result)
    assert (one.phase, one.passes(0.0)) == (Phase.CLOSED, Pass.ALL)
    fail(one, 1, result=result)
    assert (one.phase, one.passes(1.0)) == (Phase.OPEN, Pass.NONE)


@pytest.mark.parametrize("result", [Result.DELIVERED, Result.REJECTED, Result.PERMANENT])
def test_any_answer_of_the_partner_begins_the_count_anew(result: Result) -> None:
    one = breaker()
    fail(one, 2)
    one.record(result, b"x", POLICY, 0.0)
    fail(one, 2)
    assert one.phase is Phase.CLOSED


def test_half_open_lets_exactly_one_through() -> None:
    one = breaker()
    fail(one, 3)
    assert one.passes(29.9) is Pass.NONE
    assert one.passes(30.0) is Pass.PROBE
    one.probing(PROBE)
    assert (one.phase, one.passes(99.0)) == (Phase.HALF_OPEN, Pass.NONE)


def test_a_probe_that_succeeds_closes_and_the_next_outage_starts_small() -> None:
    one = breaker()
    fail(one, 3)
    one.probing(PROBE)
    one.record(Result.TRANSIENT, PROBE, POLICY, 30.0)
    one.probing(PROBE)
    one.record(Result.DELIVERED, b"x", POLICY, 90.0)
    assert one.passes(90.0) is Pass.ALL
    fail(one, 3, at=100.0)
    assert one.retry_at == 130.0


def test_each_failed_probe_doubles_the_open_time_up_to_a_limit() -> None:
    one = breaker()
    fail(one, 3)
    now, waits = 0.0, []
    for _ in range(6):
        waits.append(one.retry_at - now)
        now = one.retry_at
        one.probing(PROBE)
        one.record(Result.TRANSIENT, PROBE, POLICY, now)
    assert waits == [30.0, 60.0, 120.0, 240.0, MAX_OPEN, MAX_OPEN]


def test_a_probe_that_was_not_sent_gives_its_place_back() -> None:
    one = breaker()
    fail(one, 3)
    one.probing(PROBE)
    one.abandoned(PROBE)
    assert one.passes(30.0) is Pass.PROBE
    closed = breaker()
    closed.abandoned(PROBE)
    assert closed.phase is Phase.CLOSED


def test_one_failing_lane_does_not_speak_for_the_endpoint() -> None:
    one = breaker()
    for _ in range(3):
        one.record(Result.TRANSIENT, b"poison", POLICY, 0.0)
    assert (one.phase, one.passes(1.0)) == (Phase.OPEN, Pass.STRANGER)
    one.probing(PROBE)
    one.record(Result.TRANSIENT, PROBE, POLICY, 1.0)
    assert one.passes(2.0) is Pass.NONE


def test_only_the_probe_itself_ends_the_probing_badly() -> None:
    one = breaker()
    fail(one, 3)
    one.probing(PROBE)
    fail(one, 2, at=31.0)
    one.abandoned(b"lane1")
    assert one.phase is Phase.HALF_OPEN
    one.record(Result.TRANSIENT, PROBE, POLICY, 32.0)
    assert (one.phase, one.retry_at) == (Phase.OPEN, 92.0)


def test_failures_that_began_before_it_opened_do_not_lengthen_it() -> None:
    one = breaker()
    fail(one, 3)
    fail(one, 2, at=20.0)
    assert one.retry_at == 30.0


def test_a_policy_without_failures_never_opens() -> None:
    one = breaker()
    for _ in range(100):
        one.record(Result.BUG, b"x", EndpointPolicy("r", "", breaker_failures=0), 0.0)
    assert one.phase is Phase.CLOSED


def test_listeners_hear_each_change_once() -> None:
    heard: list[tuple[str, Phase]] = []
    one = breaker(heard)
    fail(one, 3)
    one.probing(PROBE)
    one.record(Result.DELIVERED, b"x", POLICY, 30.0)
    one.record(Result.DELIVERED, b"x", POLICY, 30.0)
    assert [phase for _, phase in heard] == [Phase.OPEN, Phase.HALF_OPEN, Phase.CLOSED]
