"""Order within a lane: who is its head, what stops it, and what a later delivery does to an earlier one."""

from __future__ import annotations

from engine.model import Delivery, State
from engine.store.sqlite.rows import Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("settle")
_NEXT = _SQL["lane-next"]
_UNBLOCK = _SQL["unblock"]


def advance(tx: Transaction, lane: bytes) -> int | None:
    """Let the first of the lane be its head, if it waited for that; return its sequence.

    Nothing happens where the lane has a head already, or stands behind a dead letter.
    """
    found = tx.cursor.execute(_NEXT, (lane,)).fetchall()
    if not found:
        return None
    sequence: int = found[0][0]
    tx.cursor.execute(_UNBLOCK, (sequence,))
    return sequence


def park(tx: Transaction, lane: bytes, delivery: int) -> None:
    """Stop the lane behind a dead letter."""
    tx.cursor.execute(_SQL["park"], (lane, delivery))


def close(tx: Transaction, lane: bytes | None, delivery: int) -> None:
    """Mark a dead letter as needing nobody any more, and let its lane go on."""
    tx.cursor.execute(_SQL["close"], (delivery,))
    if lane is not None:
        tx.cursor.execute(_SQL["unpark"], (lane, delivery))


def overtake(tx: Transaction, rows: Rows, later: Delivery, lane: bytes) -> Delivery | None:
    """Apply what a superseding or recalling delivery does to its lane as it arrives.

    A recall closes the open dead letters of its route and destination and so unparks the lane. Return the lane's
    head where it must be looked at now: it became head, or it is overtaken and was made due. `later` itself, when it
    became head.
    """
    if later.recalls:
        _recall_dead(tx, later, lane)
    became = advance(tx, lane)
    if became == later.sequence:
        return later
    found = tx.cursor.execute(_SQL["lane-head"], (lane,)).fetchall()
    head = rows.delivery(found[0][0]) if found else None
    if head is None or head.sequence == later.sequence:
        return None
    if became is None and not _overtaken(head, later):
        return None
    if head.state in (State.PENDING, State.RETRYING):
        tx.cursor.execute(_SQL["nudge"], (head.sequence, later.due_ms))
    return rows.delivery(head.sequence)


def _overtaken(head: Delivery, later: Delivery) -> bool:
    if (head.route, head.destination) != (later.route, later.destination):
        return False
    if later.recalls:
        return True
    return later.version is not None and (head.version is None or head.version < later.version)


def _recall_dead(tx: Transaction, later: Delivery, lane: bytes) -> None:
    names = tx.names
    route = names.id(tx.cursor, "route", later.route)
    destination = names.id(tx.cursor, "destination", later.destination)
    found = tx.cursor.execute(_SQL["open-in-lane"], (lane, route, destination, later.sequence)).fetchall()
    for sequence, message in found:
        close(tx, lane, sequence)
        tx.note("recall", message=message, delivery=sequence)
