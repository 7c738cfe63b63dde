"""Settle, as it runs inside a group's transaction: the row, its attempt, its lane, and what a route made of it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.audit.vocabulary import Action
from engine.errors import Conflict, NotFound
from engine.model import INLINE_LIMIT, Delivery, Hop, Result, State, trace_of
from engine.store.protocol import AttemptRow, LaneEffect, Settled, Settlement
from engine.store.sqlite import lanes
from engine.store.sqlite.accepting import Brought, add_deliveries, add_keys
from engine.store.sqlite.contents import ABOUT, EVIDENCE, Content, headers_in, of_bytes, of_keys, rows_of
from engine.store.sqlite.rows import STATES, Rows
from engine.store.sqlite.standing import Standing
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction, clean

_SQL = statements("settle")
_STANDING = _SQL["standing"]
_SETTLE = _SQL["settle"]
_OVERTAKE = _SQL["overtake"]
_ROLES = statements("content")["roles"]
_TERMINAL = int(State.DELIVERED)


def standing_of(tx: Transaction, delivery: int) -> Standing:
    """Return the row of a delivery; NotFound."""
    tx.flush()
    found = tx.cursor.execute(_STANDING, (delivery,)).fetchall()
    if not found:
        raise NotFound(f"there is no delivery {delivery}")
    return Standing._make(found[0])


def settle(tx: Transaction, rows: Rows, settlement: Settlement, contents: Sequence[Content] = ()) -> Settled:
    """Change a delivery whose revision is still the one that was read."""
    sequence = settlement.delivery
    before = tx.known.pop(sequence, None)
    if before is None or before.revision != settlement.revision:
        before = standing_of(tx, sequence)
    if before.revision != settlement.revision:
        raise Conflict(f"delivery {sequence} is at revision {before.revision}, not {settlement.revision}")
    if before.state >= _TERMINAL:
        raise Conflict(f"delivery {sequence} has ended: {STATES[before.state].word}")
    state, reason = settlement.state, clean(settlement.reason) or None
    terminal = state >= _TERMINAL
    leaves = terminal or settlement.lane is not LaneEffect.KEEP
    hops = tx.names.hops(before.chain)
    endpoint = hops[settlement.hop][0] if hops else before.endpoint
    tx.cursor.execute(
        _SETTLE,
        (
            state,
            reason,
            settlement.due_ms,
            settlement.deadline_ms,
            settlement.hop,
            settlement.hop_ms,
            settlement.attempts,
            settlement.hop_attempts,
            settlement.unknown,
            endpoint,
            before.holds and not leaves,
            state is State.DEAD,
            tx.now_ms if terminal else 0,
            sequence,
            before.revision,
        ),
    )
    if not tx.connection.changes():
        raise Conflict(f"delivery {sequence} is no longer at revision {before.revision}")
    tx.moved(before.route, (before.endpoint, before.state), (endpoint, state))
    if settlement.attempt is not None:
        add_attempt(tx, sequence, before, settlement.attempt)
    tx.log(Action.SETTLE, before.message, sequence, f"{state.word}: {reason}" if reason else state.word)
    following = None
    if leaves and before.lane is not None:
        became = _leave_lane(tx, settlement, before, before.lane)
        following = _next(tx, rows, became, settlement.pass_kind) if became is not None else None
    if settlement.spawn or settlement.keys or contents:
        return Settled(before.revision + 1, following, _spawn(tx, rows, settlement, before, contents))
    return Settled(before.revision + 1, following)


def add_attempt(tx: Transaction, delivery: int, before: Standing, attempt: AttemptRow) -> None:
    """Write an attempt and the partner's answer."""
    cursor, names = tx.cursor, tx.names
    evidence = None
    if attempt.evidence:
        tx.body += 1
        evidence = tx.body
        answer = of_bytes(EVIDENCE, attempt.evidence[:INLINE_LIMIT])
        tx.evidence += rows_of(
            cursor, names, [answer], first=evidence, message=before.message, bucket=before.bucket
        )
    tx.attempts += (
        delivery,
        before.generation,
        attempt.number,
        names.id(cursor, "endpoint", attempt.endpoint),
        attempt.started_ms,
        attempt.took_ms,
        attempt.result,
        clean(attempt.code),
        clean(attempt.remark) or None,
        evidence,
    )


def recover(tx: Transaction, *, in_send: Sequence[tuple[int, int]], at_ms: int) -> list[int]:
    """Count an unknown outcome for each (delivery, attempt number) that was in a send, once per attempt."""
    changed = []
    tx.flush_all()
    for sequence, number in in_send:
        try:
            before = standing_of(tx, sequence)
        except NotFound:
            continue  # the flight file outlived a store that was restored from an older copy
        known = tx.cursor.execute(_SQL["attempt-known"], (sequence, before.generation, number)).fetchall()
        if before.state >= _TERMINAL or known[0][0]:
            continue
        endpoint = tx.names.texts[before.endpoint]
        lost = AttemptRow(
            endpoint, number, at_ms, 0, Result.UNKNOWN, "crash", "the process ended in the send"
        )
        add_attempt(tx, sequence, before, lost)
        tx.flush_all()
        tx.cursor.execute(_SQL["recover"], (sequence, number))
        after = State.RETRYING if before.state < State.IN_FLIGHT else before.state
        tx.moved(before.route, (before.endpoint, before.state), (before.endpoint, after))
        tx.note(
            Action.RECOVER,
            message=before.message,
            delivery=sequence,
            detail=f"attempt {number}: unknown outcome",
        )
        changed.append(sequence)
    return changed


# --------------------------------------------------------------------------- the lane


def _leave_lane(tx: Transaction, settlement: Settlement, before: Standing, lane: bytes) -> int | None:
    """Let the lane go on, or stop it; return who became its head."""
    state = settlement.state
    if state is State.DEAD:
        tx.open_lanes += 1
        if settlement.lane is LaneEffect.PARK:
            lanes.park(tx, lane, settlement.delivery)
            if not before.holds:  # it had left the lane while it waited for its confirmation; others went on
                lanes.block_behind(tx, lane, settlement.delivery)
    elif tx.open_lanes and state in (State.DELIVERED, State.DELIVERED_BY_FALLBACK):
        tx.cursor.execute(_OVERTAKE, (lane, settlement.delivery))
    return lanes.leave(tx, lane) if before.holds else None


def _next(tx: Transaction, rows: Rows, following: int, kind: str) -> Delivery | None:
    if kind:
        _pass_kind(tx, following, kind)
    return rows.sendable(following)


def _pass_kind(tx: Transaction, following: int, kind: str) -> None:
    """Give the next of the lane the kind, and on each hop the rendering `<role>:as:<kind>` where there is one.

    The chain of that row is replaced, so that whoever asks for the body of a hop gets the right one.
    """
    names, cursor = tx.names, tx.cursor
    standing = standing_of(tx, following)
    numbers = cursor.execute(_ROLES, (standing.message, standing.part)).fetchall()
    roles = {names.texts[number] for (number,) in numbers}
    chain = tuple(
        Hop(hop.endpoint, alike) if (alike := f"{hop.rendering}:as:{kind}") in roles else hop
        for hop in names.chain(standing.chain)
    )
    number = names.chain_id(cursor, chain)
    cursor.execute(_SQL["pass-kind"], (following, names.id(cursor, "kind", kind), number))


# --------------------------------------------------------------------------- what a delivery of kind route became


def _spawn(
    tx: Transaction, rows: Rows, settlement: Settlement, before: Standing, contents: Sequence[Content]
) -> list[Delivery]:
    message = before.message
    tx.flush()
    identifier, received = tx.cursor.execute(_SQL["origin"], (message,)).fetchall()[0]
    if settlement.keys:
        add_keys(tx, message, received, settlement.keys)
        contents = [*contents, of_keys(settlement.keys)]
    first = tx.body + 1
    tx.body += len(contents)
    tx.bodies += rows_of(
        tx.cursor, tx.names, contents, first=first, message=message, bucket=before.bucket, late=1
    )
    trace = trace_of(headers_in(rows.read(message, ABOUT)))
    brought = Brought(message, identifier, received, before.bucket, settlement.renderings, trace)
    ready, _ = add_deliveries(tx, rows, settlement.spawn, brought)
    return ready
