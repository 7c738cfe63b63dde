"""The table of consequences: every result, in every place where it can happen."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import (
    BudgetExceeded,
    MalformedMessage,
    Permanent,
    Rejected,
    StoreUnavailable,
    Transient,
)
from engine.model import Delivery, Hop, Reply, Result, State
from engine.runtime.sending import decisions, outcome
from engine.runtime.sending.decisions import CONSEQUENCES, Consequence
from engine.runtime.sending.outcome import Outcome
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Retry
from engine.store.protocol import LaneEffect, Overtaking, Settlement
from tests.runtime.sending.values import HOUR, NOW, attempt, delivery

POLICY = DestinationPolicy("appointments", "emr", retry=Retry(first=2.0, ceiling=300.0, budget=3600.0))
LAST = delivery(hop=1)
ONLY = delivery(chain=(Hop("clinic.emr"),))


def after(
    before: Delivery,
    result: Outcome,
    policy: DestinationPolicy = POLICY,
    *,
    now_ms: int = NOW + 5,
    closed: Callable[[int], int] = lambda since_ms: 0,
) -> Settlement:
    return decisions.after_attempt(
        before,
        policy,
        result,
        attempt(result.result),
        now_ms=now_ms,
        endpoint=EndpointPolicy("clinic.emr", "clinic", confirm_within=60.0),
        closed_ms=closed,
        rng=random.Random(1),
    )


def failed(result: Result, code: str = "503", **more: Any) -> Outcome:
    return Outcome(result, code, **more)


INSISTED = [Result.TRANSIENT, Result.UNKNOWN, Result.BUG]
FAILED = [*INSISTED, Result.PERMANENT, Result.REJECTED]

# ----------------------------------------------------------------- reading errors


@pytest.mark.parametrize(
    ("error", "result", "code"),
    [
        (Transient("x", code="503"), Result.TRANSIENT, "503"),
        (Transient("x", sent=True, code="timeout"), Result.UNKNOWN, "timeout"),
        (BudgetExceeded("x"), Result.TRANSIENT, "transient"),
        (StoreUnavailable("x"), Result.TRANSIENT, "transient"),
        (Permanent("x", code="404"), Result.PERMANENT, "404"),
        (Rejected("x", code="422"), Result.REJECTED, "422"),
        (MalformedMessage("x"), Result.REJECTED, "malformed"),
        (ZeroDivisionError("4711 Tremblay"), Result.BUG, "bug"),
    ],
)
def test_an_error_is_read_by_its_consequence(error: Exception, result: Result, code: str) -> None:
    read = outcome.from_error(error)
    assert (read.result, read.code) == (result, code)


def test_an_unnamed_exception_leaves_its_type_and_nothing_of_its_text() -> None:
    assert outcome.from_error(ValueError("4711 Tremblay")).remark == "ValueError"


def test_evidence_and_remarks_are_bounded() -> None:
    read = outcome.from_error(Rejected("x" * 10_000, reply=Reply("400", b"y" * 1_000_000)))
    assert (len(read.remark), len(read.evidence)) == (outcome.MAX_REMARK, outcome.MAX_EVIDENCE)
    assert len(outcome.from_reply(Reply("200", b"y" * 2_000_000)).evidence) == outcome.MAX_ANSWER


# ----------------------------------------------------------------- the table


def test_every_result_has_a_consequence() -> None:
    assert set(CONSEQUENCES) == set(Result)
    assert {result for result, found in CONSEQUENCES.items() if found is Consequence.AGAIN} == set(INSISTED)


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (delivery(), State.DELIVERED),
        (ONLY, State.DELIVERED),
        (LAST, State.DELIVERED_BY_FALLBACK),
        (delivery(fallback=True), State.DELIVERED_BY_FALLBACK),
    ],
)
def test_a_positive_answer_delivers_and_frees_the_lane(before: Delivery, state: State) -> None:
    found = after(before, Outcome(Result.DELIVERED, "202"))
    assert (found.state, found.lane, found.revision) == (state, LaneEffect.FREE, before.revision)
    assert (found.attempts, found.hop, found.unknown) == (before.attempts + 1, before.hop, 0)
    assert found.attempt is not None


def test_a_confirmation_to_come_is_awaited_and_frees_the_lane() -> None:
    found = after(delivery(), Outcome(Result.DELIVERED, "202", awaiting=True))
    assert (found.state, found.deadline_ms, found.lane) == (State.AWAITING, NOW + 5 + 60_000, LaneEffect.FREE)


@pytest.mark.parametrize("result", INSISTED)
@pytest.mark.parametrize("before", [delivery(), LAST, ONLY])
def test_what_may_pass_is_tried_again_at_the_same_hop(result: Result, before: Delivery) -> None:
    found = after(before, failed(result))
    delay = random.Random(1).uniform(0.0, 2.0)
    assert (found.state, found.hop, found.lane) == (State.RETRYING, before.hop, LaneEffect.KEEP)
    assert found.due_ms == pytest.approx(NOW + 5 + delay * 1000, abs=1)
    assert (found.attempts, found.hop_attempts, found.hop_ms) == (1, 1, NOW)
    assert found.unknown == (1 if result is Result.UNKNOWN else 0)
    assert found.reason == "503"


@pytest.mark.parametrize("result", INSISTED)
def test_a_spent_budget_goes_to_the_next_hop_with_fresh_counters(result: Result) -> None:
    before = delivery(hop_ms=NOW - HOUR, hop_attempts=9, attempts=9, expire_ms=NOW + HOUR)
    found = after(before, failed(result))
    assert (found.state, found.hop, found.due_ms) == (State.RETRYING, 1, NOW + 5)
    assert (found.attempts, found.hop_attempts, found.hop_ms) == (10, 0, 0)
    assert (found.deadline_ms, found.lane) == (NOW + HOUR, LaneEffect.KEEP)


@pytest.mark.parametrize("result", INSISTED)
@pytest.mark.parametrize(("parks", "lane"), [(True, LaneEffect.PARK), (False, LaneEffect.FREE)])
def test_a_spent_budget_without_a_next_hop_is_dead(result: Result, parks: bool, lane: LaneEffect) -> None:
    policy = DestinationPolicy("r", "d", fallback_retry={"clinic.queue": Retry(budget=10.0)}, parks=parks)
    found = after(delivery(hop=1, hop_ms=NOW - HOUR), failed(result), policy)
    assert (found.state, found.reason, found.lane) == (State.DEAD, "budget", lane)


@pytest.mark.parametrize("result", INSISTED)
def test_spent_attempts_are_a_spent_budget(result: Result) -> None:
    policy = DestinationPolicy("r", "d", retry=Retry(attempts=3))
    assert after(delivery(hop_attempts=1), failed(result), policy).hop == 0
    assert after(delivery(hop_attempts=2), failed(result), policy).hop == 1
    assert after(delivery(hop_attempts=2, chain=ONLY.chain), failed(result), policy).reason == "budget"


def test_time_behind_a_gate_spends_no_budget() -> None:
    before = delivery(hop_ms=NOW - 2 * HOUR)
    assert after(before, failed(Result.TRANSIENT)).hop == 1
    assert after(before, failed(Result.TRANSIENT), closed=lambda since_ms: 2 * HOUR).hop == 0


def test_the_last_attempt_is_at_the_end_of_the_budget() -> None:
    before = delivery(hop_ms=NOW - HOUR + 100, hop_attempts=20)
    found = after(before, failed(Result.TRANSIENT, retry_after=50.0))
    assert (found.state, found.due_ms) == (State.RETRYING, NOW + 100)


@pytest.mark.parametrize("before", [delivery(), delivery(hop_attempts=5)])
def test_permanent_goes_to_the_next_hop_at_once(before: Delivery) -> None:
    found = after(before, failed(Result.PERMANENT, "401"))
    assert (found.state, found.hop, found.due_ms, found.reason) == (State.RETRYING, 1, NOW + 5, "401")


@pytest.mark.parametrize("before", [LAST, ONLY])
def test_permanent_without_a_next_hop_is_dead(before: Delivery) -> None:
    found = after(before, failed(Result.PERMANENT, "404"))
    assert (found.state, found.reason) == (State.DEAD, "404")


@pytest.mark.parametrize("before", [delivery(), LAST, ONLY])
def test_rejected_is_dead_without_a_fallback(before: Delivery) -> None:
    found = after(before, failed(Result.REJECTED, "422"))
    assert (found.state, found.reason, found.hop) == (State.DEAD, "422", before.hop)


@pytest.mark.parametrize("result", FAILED)
def test_a_code_that_the_route_lists_moves_on_whatever_it_was(result: Result) -> None:
    policy = DestinationPolicy("r", "d", fallback_on=frozenset({"422"}))
    assert after(delivery(), failed(result, "422"), policy).hop == 1
    assert after(ONLY, failed(result, "422"), policy).state is State.DEAD


@pytest.mark.parametrize("result", [*INSISTED, Result.PERMANENT])
def test_what_has_expired_by_the_end_of_its_attempt_is_over(result: Result) -> None:
    found = after(delivery(expire_ms=NOW + 5), failed(result))
    assert (found.state, found.lane) == (State.EXPIRED, LaneEffect.FREE)
    assert found.attempt is not None


def test_an_attempt_that_fails_after_the_takeover_time_moves_on() -> None:
    policy = DestinationPolicy("r", "d", fallback_after=10.0)
    assert after(delivery(accepted_ms=NOW - 9_000), failed(Result.TRANSIENT), policy).hop == 0
    assert after(delivery(accepted_ms=NOW - 10_000), failed(Result.TRANSIENT), policy).hop == 1


def test_a_retry_carries_the_earlier_of_takeover_and_expiry_as_its_deadline() -> None:
    policy = DestinationPolicy("r", "d", fallback_after=900.0)
    assert (
        after(delivery(expire_ms=NOW + HOUR), failed(Result.TRANSIENT), policy).deadline_ms == NOW + 900_000
    )


def test_an_operators_hold_during_the_attempt_stays() -> None:
    held = delivery(state=State.HELD, deadline_ms=NOW + HOUR)
    assert after(held, failed(Result.TRANSIENT)).state is State.HELD
    assert after(held, failed(Result.TRANSIENT)).deadline_ms == NOW + HOUR
    assert after(held, Outcome(Result.DELIVERED, "202")).state is State.DELIVERED


# ----------------------------------------------------------------- before an attempt

NEWER = Overtaking(version=3, recalled=False)
RECALL = Overtaking(version=None, recalled=True)


@pytest.mark.parametrize(
    ("before", "overtaking", "state"),
    [
        (delivery(version=2), NEWER, State.SUPERSEDED),
        (delivery(version=2, state=State.RETRYING, attempts=3), NEWER, State.SUPERSEDED),
        (delivery(version=2, hop=1), NEWER, State.SUPERSEDED),
        (delivery(version=3), NEWER, None),
        (delivery(version=4), NEWER, None),
        (delivery(version=None), NEWER, None),
        (delivery(version=2, unknown=1), NEWER, None),
        (delivery(version=2, recalls=True), NEWER, None),
        (delivery(), RECALL, State.RECALLED),
        (delivery(version=2), Overtaking(version=3, recalled=True), State.RECALLED),
        (delivery(unknown=1), RECALL, None),
        (delivery(recalls=True), RECALL, None),
        (delivery(), Overtaking(None, False), None),
        (delivery(), None, None),
    ],
)
def test_supersede_and_recall(before: Delivery, overtaking: Overtaking | None, state: State | None) -> None:
    found = decisions.before_attempt(before, POLICY, overtaking, NOW)
    assert (found.state if found else None) == state
    assert found is None or found.lane is LaneEffect.FREE


def test_the_first_undelivered_kind_is_handed_on_where_the_route_keeps_it() -> None:
    keeping = DestinationPolicy("r", "d", supersedes=True, keep_first=True)
    booked = delivery(version=1, kind="appointment-booked")
    kept = decisions.before_attempt(booked, keeping, NEWER, NOW)
    own = decisions.before_attempt(booked, POLICY, NEWER, NOW)
    assert kept is not None and kept.pass_kind == "appointment-booked"
    assert own is not None and own.pass_kind == ""


def test_an_expired_head_is_not_sent_even_after_an_unknown_outcome() -> None:
    found = decisions.before_attempt(delivery(expire_ms=NOW, unknown=1), POLICY, None, NOW)
    assert found is not None and (found.state, found.unknown) == (State.EXPIRED, 1)


def test_a_removed_destination_parks_and_comes_back_to_its_place() -> None:
    parked = decisions.before_attempt(delivery(attempts=2), None, None, NOW)
    assert parked is not None
    assert (parked.state, parked.reason, parked.lane) == (State.PARKED, "removed", LaneEffect.KEEP)
    back = decisions.returned(delivery(state=State.PARKED, attempts=2), NOW + 9)
    assert (back.state, back.due_ms, back.attempts) == (State.RETRYING, NOW + 9, 2)


# ----------------------------------------------------------------- at a deadline


def overdue(
    before: Delivery, policy: DestinationPolicy | None = POLICY, *, gated: bool = False
) -> Settlement:
    return decisions.at_deadline(
        before, policy, now_ms=NOW, gated=gated, closed_ms=lambda since_ms: 0, rng=random.Random(1)
    )


TAKEOVER = DestinationPolicy("r", "d", fallback_after=900.0)
LATE = NOW - 900_000


@pytest.mark.parametrize("state", [State.PENDING, State.RETRYING, State.HELD, State.PARKED])
@pytest.mark.parametrize("gated", [True, False])
def test_expiry_goes_on_in_every_state_and_behind_gates(state: State, gated: bool) -> None:
    found = overdue(delivery(state=state, expire_ms=NOW), gated=gated)
    assert (found.state, found.lane, found.attempt) == (State.EXPIRED, LaneEffect.FREE, None)


def test_the_takeover_time_moves_on_without_an_attempt() -> None:
    found = overdue(delivery(accepted_ms=LATE, attempts=2), TAKEOVER)
    assert (found.hop, found.due_ms, found.attempts, found.attempt) == (1, NOW, 2, None)


def test_a_gate_puts_the_takeover_off_until_the_expiry() -> None:
    found = overdue(delivery(accepted_ms=LATE, expire_ms=NOW + HOUR), TAKEOVER, gated=True)
    assert (found.state, found.hop, found.deadline_ms) == (State.PENDING, 0, NOW + HOUR)


def test_a_takeover_that_a_new_configuration_put_off_waits_for_its_new_time() -> None:
    found = overdue(delivery(accepted_ms=LATE), DestinationPolicy("r", "d", fallback_after=1000.0))
    assert (found.hop, found.deadline_ms) == (0, LATE + 1_000_000)


@pytest.mark.parametrize("policy", [POLICY, None])
def test_without_a_takeover_only_the_expiry_is_left(policy: DestinationPolicy | None) -> None:
    assert overdue(delivery(expire_ms=NOW + HOUR), policy).deadline_ms == NOW + HOUR
    assert overdue(delivery(), policy).deadline_ms is None


@pytest.mark.parametrize(("attempts", "state"), [(0, State.PENDING), (2, State.RETRYING)])
def test_a_holds_end_makes_it_due_now(attempts: int, state: State) -> None:
    found = overdue(delivery(state=State.HELD, attempts=attempts, expire_ms=NOW + HOUR))
    assert (found.state, found.due_ms, found.deadline_ms) == (state, NOW, NOW + HOUR)


def test_a_confirmation_that_never_came_is_an_unknown_outcome() -> None:
    found = overdue(delivery(state=State.AWAITING, attempts=1, hop_attempts=1, hop_ms=NOW - 1000))
    assert (found.state, found.unknown, found.attempts, found.reason) == (
        State.RETRYING,
        1,
        1,
        "unconfirmed",
    )
    gone = overdue(delivery(state=State.AWAITING), None)
    assert (gone.state, gone.unknown) == (State.RETRYING, 1)


def test_a_parked_one_is_never_sent_elsewhere() -> None:
    found = overdue(delivery(state=State.PARKED, accepted_ms=LATE), TAKEOVER)
    assert (found.state, found.hop, found.deadline_ms) == (State.PARKED, 0, None)
