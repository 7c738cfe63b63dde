"""What becomes of a delivery: one table from results to consequences, and the pure functions that carry them out.

Nothing here waits, reads a clock or draws chance of its own. Each function returns the `Settlement` that the store
compares and sets on the revision of the delivery that was passed in.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.model import Delivery, Result, State
from engine.runtime.sending import schedule
from engine.runtime.sending.outcome import Outcome
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy
from engine.store.protocol import AttemptRow, LaneEffect, Overtaking, Settlement

ClosedMs = Callable[[int], int]
"""Says for how many of the milliseconds since a moment a gate (pause, hold, maintenance) kept the delivery back."""


class Consequence(enum.Enum):
    """What a result leads to."""

    DONE = "delivered, or awaiting its confirmation"
    AGAIN = "tried again at this hop until its budget is spent, then the next hop, else dead"
    NEXT = "the next hop at once, else dead"
    END = "dead: the message is at fault, no other endpoint would take it"


CONSEQUENCES: Mapping[Result, Consequence] = {
    Result.DELIVERED: Consequence.DONE,
    Result.TRANSIENT: Consequence.AGAIN,
    Result.UNKNOWN: Consequence.AGAIN,
    Result.BUG: Consequence.AGAIN,
    Result.PERMANENT: Consequence.NEXT,
    Result.REJECTED: Consequence.END,
}
"""GUARANTEES and decision 7; `fallback_on` turns every failure that it names into NEXT."""


def after_attempt(
    delivery: Delivery,
    policy: DestinationPolicy,
    outcome: Outcome,
    attempt: AttemptRow,
    *,
    endpoint: EndpointPolicy,
    now_ms: int,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Decide after a try at the delivery's current hop; the attempt is counted and kept with the settlement."""
    if CONSEQUENCES[outcome.result] is Consequence.DONE:
        return _taken(delivery, outcome, attempt, endpoint, now_ms)
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        hop_attempts=delivery.hop_attempts + (not outcome.deferred),
        hop_ms=0 if outcome.deferred else delivery.hop_ms or attempt.started_ms,
        unknown=delivery.unknown + (outcome.result is Result.UNKNOWN),
    )
    return _failed(tried, policy, outcome, attempt, now_ms=now_ms, closed_ms=closed_ms, rng=rng)


def after_confirmation(
    delivery: Delivery,
    policy: DestinationPolicy | None,
    outcome: Outcome,
    attempt: AttemptRow,
    *,
    now_ms: int,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Decide upon what a partner said later of the attempt that it took, which is counted already."""
    if CONSEQUENCES[outcome.result] is Consequence.DONE:
        done = _change(delivery, _delivered(delivery), lane=LaneEffect.FREE, attempt=attempt)
        return replace(done, remember=outcome.learnt) if outcome.learnt else done
    if policy is None:
        return _change(delivery, State.RETRYING, reason=outcome.code, due_ms=now_ms, attempt=attempt)
    if outcome.deferred:
        delivery = replace(delivery, hop_attempts=max(0, delivery.hop_attempts - 1), hop_ms=0)
    return _failed(delivery, policy, outcome, attempt, now_ms=now_ms, closed_ms=closed_ms, rng=rng)


def before_attempt(
    delivery: Delivery, policy: DestinationPolicy | None, overtaking: Overtaking | None, now_ms: int
) -> Settlement | None:
    """Decide at the head of the lane, before anything is sent; None when the attempt should be made.

    An unknown outcome is never superseded or recalled, and a recalling delivery is always sent. What goes out as the
    first undelivered kind (`keep_first`) hands that kind on to the one that takes its place.
    """
    if has_expired(delivery, now_ms):
        return expired(delivery)
    if overtaking is not None and not delivery.unknown and delivery.state is not State.AWAITING:
        if overtaking.recalled and not delivery.recalls:
            return _change(delivery, State.RECALLED, reason="recalled", lane=LaneEffect.FREE)
        if (
            not delivery.recalls
            and delivery.version is not None
            and overtaking.version is not None
            and overtaking.version > delivery.version
        ):
            kind = delivery.kind if policy is not None and policy.keep_first else ""
            return _change(
                delivery, State.SUPERSEDED, reason="superseded", lane=LaneEffect.FREE, pass_kind=kind
            )
    return removed(delivery) if policy is None else None


def at_deadline(
    delivery: Delivery,
    policy: DestinationPolicy | None,
    *,
    now_ms: int,
    gated: bool,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Decide when the row's deadline has come: expiry, fallback, a hold's end or a confirmation's end.

    A gate (`gated`) lets time expire a delivery, but never moves it to a fallback: its deadline becomes the expiry.
    """
    if delivery.state is State.AWAITING:
        if policy is None:
            return _change(delivery, State.RETRYING, reason="unconfirmed", due_ms=now_ms, unknown=1)
        doubtful = replace(delivery, unknown=delivery.unknown + 1)
        silence = Outcome(Result.UNKNOWN, "unconfirmed")
        return _insist(doubtful, policy, silence, None, now_ms=now_ms, closed_ms=closed_ms, rng=rng)
    if has_expired(delivery, now_ms):
        return expired(delivery)
    takeover = (
        None
        if policy is None
        else schedule.fallback_due_ms(delivery, policy, closed_ms(delivery.accepted_ms))
    )
    if delivery.state is State.HELD:
        return _change(
            delivery,
            _waiting(delivery),
            reason=delivery.reason,
            due_ms=now_ms,
            deadline_ms=schedule.deadline_ms(delivery, takeover),
        )
    if takeover is not None and takeover <= now_ms and not gated and delivery.state is not State.PARKED:
        return move_on(delivery, "after", now_ms) or _postponed(delivery, delivery.expire_ms)
    if takeover is None or takeover <= now_ms:
        return _postponed(delivery, delivery.expire_ms)
    return _postponed(delivery, schedule.deadline_ms(delivery, takeover))


def move_on(
    delivery: Delivery, reason: str, now_ms: int, attempt: AttemptRow | None = None
) -> Settlement | None:
    """Hand over to the next hop in one compare-and-set: never both in flight; None when there is no next hop."""
    if delivery.hop + 1 >= len(delivery.chain):
        return None
    onward = replace(delivery, hop=delivery.hop + 1, hop_attempts=0, hop_ms=0)
    return _change(
        onward,
        _waiting(delivery),
        reason=reason,
        due_ms=now_ms,
        deadline_ms=delivery.expire_ms,
        attempt=attempt,
    )


def given_up(delivery: Delivery, policy: DestinationPolicy, now_ms: int) -> Settlement:
    """Hand over to the next hop, or end it: its endpoint stays broken beyond fallback and budget."""
    return move_on(delivery, "disabled_or_open", now_ms) or dead(delivery, policy, "budget")


def has_expired(delivery: Delivery, now_ms: int) -> bool:
    """Say whether the delivery has lost its point (`expire`)."""
    return delivery.expire_ms is not None and delivery.expire_ms <= now_ms


def expired(delivery: Delivery, attempt: AttemptRow | None = None) -> Settlement:
    """End it because its time has passed; the lane goes on."""
    return _change(delivery, State.EXPIRED, reason="expired", lane=LaneEffect.FREE, attempt=attempt)


def dead(
    delivery: Delivery, policy: DestinationPolicy, reason: str, attempt: AttemptRow | None = None
) -> Settlement:
    """Make it a dead letter; its lane stops behind it where the route parks, else goes on."""
    lane = LaneEffect.PARK if policy.parks else LaneEffect.FREE
    return _change(delivery, State.DEAD, reason=reason, lane=lane, attempt=attempt)


def removed(delivery: Delivery) -> Settlement:
    """Park it in its place: its destination or endpoint is gone from the configuration, and is never re-routed."""
    return _change(delivery, State.PARKED, reason="removed", deadline_ms=delivery.expire_ms)


def returned(delivery: Delivery, now_ms: int) -> Settlement:
    """Put a parked one back in its place: its destination is configured again."""
    return _change(delivery, _waiting(delivery), due_ms=now_ms, deadline_ms=delivery.expire_ms)


def _failed(
    delivery: Delivery,
    policy: DestinationPolicy,
    outcome: Outcome,
    attempt: AttemptRow,
    *,
    now_ms: int,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Carry out what a failure leads to; `delivery` already counts the attempt."""
    consequence = CONSEQUENCES[outcome.result]
    if outcome.code in policy.fallback_on:
        consequence = Consequence.NEXT
    if consequence is Consequence.END:
        return dead(delivery, policy, outcome.code, attempt)
    if has_expired(delivery, now_ms):
        return expired(delivery, attempt)
    if consequence is Consequence.NEXT:
        onward = move_on(delivery, outcome.code, now_ms, attempt)
        return onward or dead(delivery, policy, outcome.code, attempt)
    if outcome.deferred:
        return _deferred(delivery, policy, outcome, attempt, now_ms=now_ms, closed_ms=closed_ms, rng=rng)
    return _insist(delivery, policy, outcome, attempt, now_ms=now_ms, closed_ms=closed_ms, rng=rng)


def _delivered(delivery: Delivery) -> State:
    fallen_back = delivery.hop > 0 or delivery.fallback
    return State.DELIVERED_BY_FALLBACK if fallen_back else State.DELIVERED


def _taken(
    delivery: Delivery, outcome: Outcome, attempt: AttemptRow, endpoint: EndpointPolicy, now_ms: int
) -> Settlement:
    state, deadline, lane = _delivered(delivery), None, LaneEffect.FREE
    if outcome.awaiting:
        state, deadline = State.AWAITING, now_ms + round(endpoint.confirm_within * 1000)
        lane = LaneEffect.KEEP if endpoint.confirmed_in_order else LaneEffect.FREE
    return Settlement(
        delivery=delivery.sequence,
        revision=delivery.revision,
        state=state,
        due_ms=delivery.due_ms,
        deadline_ms=deadline,
        hop=delivery.hop,
        hop_ms=delivery.hop_ms or attempt.started_ms,
        attempts=delivery.attempts + 1,
        hop_attempts=delivery.hop_attempts + 1,
        unknown=delivery.unknown,
        lane=lane,
        attempt=attempt,
        remember=outcome.learnt,
        reference=outcome.reference,
    )


def _deferred(
    delivery: Delivery,
    policy: DestinationPolicy,
    outcome: Outcome,
    attempt: AttemptRow,
    *,
    now_ms: int,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Come again when the partner is ready: no budget runs meanwhile, and none was spent."""
    delay = schedule.backoff(schedule.retry_of(delivery, policy), 1, rng)
    takeover = schedule.fallback_due_ms(delivery, policy, closed_ms(delivery.accepted_ms))
    held = delivery.state is State.HELD
    return _change(
        delivery,
        State.HELD if held else State.RETRYING,
        reason=outcome.code,
        due_ms=now_ms + round((delay if outcome.retry_after is None else outcome.retry_after) * 1000),
        deadline_ms=delivery.deadline_ms if held else schedule.deadline_ms(delivery, takeover),
        attempt=attempt,
    )


def _insist(
    delivery: Delivery,
    policy: DestinationPolicy,
    outcome: Outcome,
    attempt: AttemptRow | None,
    *,
    now_ms: int,
    closed_ms: ClosedMs,
    rng: random.Random,
) -> Settlement:
    """Schedule the next attempt, or give this hop up; `delivery` already counts the attempt."""
    retry = schedule.retry_of(delivery, policy)
    delay = schedule.backoff(retry, delivery.hop_attempts, rng)
    end_ms = schedule.hop_end_ms(delivery, retry, now_ms, closed_ms(delivery.hop_ms or now_ms))
    takeover = schedule.fallback_due_ms(delivery, policy, closed_ms(delivery.accepted_ms))
    spent = now_ms >= end_ms or (retry.attempts is not None and delivery.hop_attempts >= retry.attempts)
    if spent or (takeover is not None and takeover <= now_ms):
        reason = "budget" if spent else "after"
        return move_on(delivery, reason, now_ms, attempt) or dead(delivery, policy, "budget", attempt)
    return _change(
        delivery,
        State.HELD if delivery.state is State.HELD else State.RETRYING,
        reason=outcome.code,
        due_ms=schedule.next_due_ms(delay, outcome.retry_after, now_ms, end_ms),
        deadline_ms=(
            delivery.deadline_ms if delivery.state is State.HELD else schedule.deadline_ms(delivery, takeover)
        ),
        attempt=attempt,
    )


def _waiting(delivery: Delivery) -> State:
    return State.RETRYING if delivery.attempts else State.PENDING


def _postponed(delivery: Delivery, deadline_ms: int | None) -> Settlement:
    return _change(
        delivery, delivery.state, reason=delivery.reason, due_ms=delivery.due_ms, deadline_ms=deadline_ms
    )


def _change(
    delivery: Delivery,
    state: State,
    *,
    reason: str = "",
    due_ms: int | None = None,
    deadline_ms: int | None = None,
    lane: LaneEffect = LaneEffect.KEEP,
    attempt: AttemptRow | None = None,
    pass_kind: str = "",
    unknown: int = 0,
) -> Settlement:
    return Settlement(
        delivery=delivery.sequence,
        revision=delivery.revision,
        state=state,
        reason=reason,
        due_ms=delivery.due_ms if due_ms is None else due_ms,
        deadline_ms=deadline_ms,
        hop=delivery.hop,
        hop_ms=delivery.hop_ms,
        attempts=delivery.attempts,
        hop_attempts=delivery.hop_attempts,
        unknown=delivery.unknown + unknown,
        lane=lane,
        attempt=attempt,
        pass_kind=pass_kind,
    )
