"""Order within a lane: who is its head, what stops it, and what a later delivery does to an earlier one."""

from __future__ import annotations

from engine.audit.vocabulary import Action
from engine.model import Delivery, State
from engine.store.protocol import NewDelivery
from engine.store.sqlite.rows import Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("settle")
_BUSY = statements("accept")["lane-busy"]
_HEAD = _SQL["lane-head"]
_STOPPED = _SQL["lane-stopped"]
_UNBLOCK = _SQL["unblock"]
_OPEN = _SQL["lane-open"]


def has_older(tx: Transaction, lane: bytes) -> bool:
    """Say whether whoever enters the lane now finds others there: waiting, being sent, or dead and not yet given up."""
    if tx.open_lanes:
        tx.flush()
        if tx.cursor.execute(_OPEN, (lane,)).fetchall()[0][0]:
            return True
    known = tx.lanes.get(lane)
    if known is None:
        if tx.cursor.execute(_BUSY, (lane,)).fetchall()[0][0]:
            return True
        known = tx.lanes[lane] = 0
    return known > 0


def enter(tx: Transaction, lane: bytes) -> bool:
    """Count one more that stands in the lane; return whether it waits there."""
    before = tx.lanes.get(lane)
    if before is None:
        if tx.cursor.execute(_BUSY, (lane,)).fetchall()[0][0]:
            return True
        before = 0
    tx.lanes[lane] = before + 1
    return before > 0


def leave(tx: Transaction, lane: bytes) -> int | None:
    """Count one less that stands in the lane; return who became its head."""
    before = tx.lanes.get(lane)
    if before is None:
        return advance(tx, lane)
    tx.lanes[lane] = before - 1
    return advance(tx, lane) if before > 1 else None


def advance(tx: Transaction, lane: bytes) -> int | None:
    """Let the first of the lane be its head, if it waited for that; return its sequence.

    Nothing happens where the lane has a head already, or stands behind a dead letter.
    """
    tx.flush()
    cursor = tx.cursor
    found = cursor.execute(_HEAD, (lane,)).fetchall()
    if not found:
        return None
    sequence: int
    sequence, blocked = found[0]
    if not blocked or cursor.execute(_STOPPED, (lane, sequence)).fetchall()[0][0]:
        return None
    cursor.execute(_UNBLOCK, (sequence,))
    return sequence


def park(tx: Transaction, lane: bytes, delivery: int) -> None:
    """Stop the lane behind a dead letter."""
    tx.lanes.pop(lane, None)
    tx.cursor.execute(_SQL["park"], (lane, delivery))


def block_behind(tx: Transaction, lane: bytes, delivery: int) -> None:
    """Take the head's place from whoever has it behind this delivery; who is being sent is settled all the same."""
    tx.flush()
    tx.lanes.pop(lane, None)
    tx.cursor.execute(_SQL["block-behind"], (lane, delivery))


def close(tx: Transaction, lane: bytes | None, delivery: int) -> None:
    """Mark a dead letter as needing nobody any more; its lane is not stopped by it."""
    tx.cursor.execute(_SQL["close"], (delivery,))
    reopen(tx, lane, delivery)


def reopen(tx: Transaction, lane: bytes | None, delivery: int) -> None:
    """A dead letter stops its lane no longer."""
    if lane is not None:
        tx.open_lanes -= 1
        tx.cursor.execute(_SQL["unpark"], (lane, delivery))


def overtake(tx: Transaction, rows: Rows, later: NewDelivery, sequence: int, lane: bytes) -> int | None:
    """Apply what a superseding or recalling delivery does to its lane as it arrives.

    A recall closes the open dead letters of its route and destination and so unparks the lane. Return the head of the
    lane where somebody must look at it now: it just became head (`sequence` itself, perhaps), or it is overtaken and
    was made due.
    """
    tx.flush()
    if later.recalls:
        _recall_dead(tx, later, sequence, lane)
    became = advance(tx, lane)
    if became == sequence:
        return sequence
    found = tx.cursor.execute(_HEAD, (lane,)).fetchall()
    head = rows.delivery(found[0][0]) if found else None
    if head is None or head.sequence == sequence or (became is None and not _overtaken(head, later)):
        return None
    if head.state in (State.PENDING, State.RETRYING):
        tx.cursor.execute(_SQL["nudge"], (head.sequence, later.due_ms))
    return head.sequence


def _overtaken(head: Delivery, later: NewDelivery) -> bool:
    if (head.route, head.destination) != (later.route, later.destination):
        return False
    if later.recalls:
        return True
    return later.version is not None and (head.version is None or head.version < later.version)


def _recall_dead(tx: Transaction, later: NewDelivery, sequence: int, lane: bytes) -> None:
    names = tx.names
    route = names.id(tx.cursor, "route", later.route)
    destination = names.id(tx.cursor, "destination", later.destination)
    found = tx.cursor.execute(_SQL["open-in-lane"], (lane, route, destination, sequence)).fetchall()
    for dead, message in found:
        close(tx, lane, dead)
        tx.note(Action.RECALL, message=message, delivery=dead)
