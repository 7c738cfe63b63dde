"""What an operator does to one delivery, as it runs inside a group's transaction."""

from __future__ import annotations

from engine.errors import Conflict, NotFound
from engine.model import Delivery, State
from engine.store.protocol import Operation, Verb
from engine.store.sqlite import lanes
from engine.store.sqlite.rows import STATES, Rows
from engine.store.sqlite.settling import standing_of
from engine.store.sqlite.standing import Standing
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction, clean

_SQL = statements("settle")


def operate(tx: Transaction, *, rows: Rows, operation: Operation) -> Delivery:
    """Carry out an operator's action and return the delivery; for a resend the new one.

    Raises:
        NotFound: there is no such delivery, or its content was purged.
        Conflict: its state does not allow the action.
    """
    standing = standing_of(tx, operation.delivery)
    tx.doubt(operation.delivery)
    sequence = _ACTIONS[operation.verb](tx, rows, operation, standing)
    tx.note(
        operation.verb.value,
        message=standing.message,
        delivery=sequence,
        actor=operation.actor,
        detail=operation.reason,
        at_ms=operation.at_ms,
    )
    delivery = rows.delivery(sequence)
    if delivery is None:
        raise NotFound(f"there is no delivery {sequence}")
    return delivery


def _release(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Reopen at the same place: behind what is earlier in the lane, before what is later."""
    sequence = operation.delivery
    if standing.state == State.DEAD:
        if not standing.open:
            raise Conflict(f"dead letter {sequence} was closed: resend it instead")
        if standing.overtaken and not operation.out_of_order:
            raise Conflict(f"a later delivery of the lane of {sequence} was delivered")
    elif standing.state != State.PARKED:
        raise _not(operation, standing, "dead or parked")
    _require_content(rows, sequence)
    cursor = tx.cursor
    places = lanes.places_of(tx, sequence, standing.lane, standing.flags)
    if standing.state == State.DEAD:
        lanes.reopen(tx, places, sequence)
    blocked = lanes.return_to(tx, places, sequence)
    if len(places) > 1:
        lanes.stand(tx, sequence, lanes.STANDS)
    hops = tx.names.hops(standing.chain)
    endpoint = hops[0][0] if hops else standing.endpoint
    cursor.execute(_SQL["release"], (sequence, operation.at_ms, endpoint, bool(places), blocked))
    tx.moved(standing.route, (standing.endpoint, standing.state), (endpoint, int(State.PENDING)))
    return sequence


def _discard(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Close a dead letter for good; its lane goes on."""
    if standing.state != State.DEAD or not standing.open:
        raise _not(operation, standing, "an open dead letter")
    places = lanes.places_of(tx, operation.delivery, standing.lane, standing.flags)
    lanes.close(tx, places, operation.delivery)
    for lane in places:
        lanes.advance(tx, lane)
    return operation.delivery


def _resend(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Owe the same bytes once more, as a new delivery at the end of the lane."""
    if standing.state < State.DELIVERED:
        raise _not(operation, standing, "ended")
    if standing.state == State.FILTERED:
        raise _not(operation, standing, "rendered")
    _require_content(rows, operation.delivery)
    places = lanes.places_of(tx, operation.delivery, standing.lane, standing.flags)
    tx.delivery += 1
    blocked = lanes.enter_all(tx, places, tx.delivery)
    hops = tx.names.hops(standing.chain)
    endpoint = hops[0][0] if hops else standing.endpoint
    tx.cursor.execute(
        _SQL["copy"],
        (
            operation.delivery,
            tx.delivery,
            endpoint,
            blocked,
            bool(places),
            operation.at_ms,
            operation.new_id or None,
        ),
    )
    if len(places) > 1:
        lanes.copy(tx, operation.delivery, tx.delivery)
    tx.created(standing.route, endpoint, State.PENDING)
    return tx.delivery


def _retry(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Make a waiting delivery due now; its place and its revision stay."""
    if standing.state >= State.IN_FLIGHT:
        raise _not(operation, standing, "waiting")
    tx.cursor.execute(_SQL["nudge"], (operation.delivery, operation.at_ms))
    return operation.delivery


def _hold(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Keep a waiting delivery from being sent, and its lane behind it."""
    if standing.state >= State.IN_FLIGHT:
        raise _not(operation, standing, "waiting")
    tx.cursor.execute(_SQL["hold"], (operation.delivery, clean(operation.reason)))
    tx.moved(standing.route, (standing.endpoint, standing.state), (standing.endpoint, State.HELD))
    return operation.delivery


def _unhold(tx: Transaction, rows: Rows, operation: Operation, standing: Standing) -> int:
    """Let a held or parked delivery go on, now."""
    if standing.state not in (State.HELD, State.PARKED):
        raise _not(operation, standing, "held or parked")
    tx.cursor.execute(_SQL["unhold"], (operation.delivery, operation.at_ms))
    tx.moved(standing.route, (standing.endpoint, standing.state), (standing.endpoint, State.PENDING))
    return operation.delivery


_ACTIONS = {
    Verb.RELEASE: _release,
    Verb.DISCARD: _discard,
    Verb.RESEND: _resend,
    Verb.RETRY_NOW: _retry,
    Verb.HOLD: _hold,
    Verb.UNHOLD: _unhold,
}


def _require_content(rows: Rows, sequence: int) -> None:
    """Raise NotFound where retention took what would have to be sent."""
    delivery = rows.delivery(sequence)
    if delivery is None or not delivery.chain:
        return
    if rows.find(delivery.message, delivery.chain[0].rendering, delivery.part) is None:
        raise NotFound(f"the content of delivery {sequence} was purged")


def _not(operation: Operation, standing: Standing, wanted: str) -> Conflict:
    word = STATES[standing.state].word
    return Conflict(f"{operation.verb.value}: delivery {operation.delivery} is {word}, not {wanted}")
