"""Order within lanes: who is the head, what stops one, and what a later delivery does to an earlier one.

Most deliveries stand in one lane, which is a column of their row. A merge stands in two: its further lanes are rows of
`further`, and it goes when it is the first in all. While there are none (`Transaction.several`) nothing looks there.
Whoever waits does so behind a lower sequence, so that two merges that cross each other never wait in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.audit.vocabulary import Action
from engine.model import Delivery, State
from engine.store.protocol import NewDelivery
from engine.store.sqlite.rows import SEVERAL, Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("settle")
_BUSY = statements("accept")["lane-busy"]
_BUSY_ALL = statements("accept")["lane-busy-all"]
_HEAD = _SQL["lane-head"]
_HEAD_OF_ALL = _SQL["lane-head-of-all"]
_STOPPED = _SQL["lane-stopped"]
_UNBLOCK = _SQL["unblock"]
_OPEN = _SQL["lane-open"]

OVER, DEAD, STANDS = 0, 1, 2
"""What a delivery is in a further lane of its own: `further.standing`."""


def has_older(tx: Transaction, lane: bytes) -> bool:
    """Say whether whoever enters the lane now finds others there: waiting, being sent, or dead and not yet given up."""
    if tx.open_lanes:
        tx.flush()
        if tx.cursor.execute(_OPEN, (lane,)).fetchall()[0][0]:
            return True
    known = tx.lanes.stands(lane)
    if known is None:
        known = _busy(tx, lane)
        if not known:
            tx.lanes.opened(lane)
    return known


def enter(tx: Transaction, lane: bytes, delivery: int) -> bool:
    """Let a delivery stand in the lane behind everybody; return whether it waits there."""
    waits = tx.lanes.stands(lane)
    if waits is None:
        if _busy(tx, lane):
            return True
        waits = False
        tx.lanes.opened(lane)
    tx.lanes.enter(lane, delivery)
    return waits


def enter_all(tx: Transaction, places: Sequence[bytes], delivery: int) -> bool:
    """Enter several lanes; return whether one waits in any of them."""
    waits = False
    for lane in places:
        if enter(tx, lane, delivery):
            waits = True
    return waits


def leave(tx: Transaction, lane: bytes, delivery: int) -> int | None:
    """Let a delivery leave the lane; return who became its head."""
    following = tx.lanes.leave(lane, delivery)
    if following is None or (following and (tx.open_lanes or tx.several)):
        return advance(tx, lane)
    if not following:
        return None
    tx.unblocked.append(following)  # who is known to have entered behind another waited for this
    return following


def advance(tx: Transaction, lane: bytes) -> int | None:
    """Let the first of the lane be its head, if it waited for that; return its sequence.

    Nothing happens where the lane has a head already, stands behind a dead letter, or where its first waits elsewhere.
    """
    tx.flush()
    if tx.several:
        return _advance_all(tx, lane)
    cursor = tx.cursor
    found = cursor.execute(_HEAD, (lane,)).fetchall()
    if not found:
        return None
    sequence: int
    sequence, blocked, revision = found[0]
    if revision:  # it was changed while it waited
        tx.doubt(sequence)
    if not blocked or cursor.execute(_STOPPED, (lane, sequence)).fetchall()[0][0]:
        return None
    cursor.execute(_UNBLOCK, (sequence,))
    return sequence


def park(tx: Transaction, lane: bytes, delivery: int) -> None:
    """Stop the lane behind a dead letter."""
    tx.lanes.forget(lane)
    tx.cursor.execute(_SQL["park"], (lane, delivery))


def block_behind(tx: Transaction, lane: bytes, delivery: int) -> None:
    """Take the head's place from whoever has it behind this delivery; who is being sent is settled all the same."""
    tx.flush()
    tx.lanes.forget(lane)
    tx.cursor.execute(_SQL["block-behind"], (lane, delivery))
    if tx.several:
        tx.cursor.execute(_SQL["block-behind-further"], (lane, delivery))


def return_to(tx: Transaction, places: Sequence[bytes], delivery: int) -> bool:
    """Let a delivery stand in its lanes again, at its old place; return whether it waits in one of them."""
    tx.flush()
    waits = False
    statement = _SQL["stands-before-all"] if tx.several else _SQL["stands-before"]
    for lane in places:
        tx.lanes.forget(lane)
        if tx.cursor.execute(statement, (lane, delivery)).fetchall()[0][0]:
            waits = True
        else:
            block_behind(tx, lane, delivery)
    return waits


def close(tx: Transaction, places: Sequence[bytes], delivery: int) -> None:
    """Mark a dead letter as needing nobody any more; its lanes are not stopped by it."""
    tx.doubt(delivery)
    tx.cursor.execute(_SQL["close"], (delivery,))
    if len(places) > 1:
        stand(tx, delivery, OVER)
    reopen(tx, places, delivery)


def reopen(tx: Transaction, places: Sequence[bytes], delivery: int) -> None:
    """A dead letter stops its lanes no longer."""
    if places:
        tx.open_lanes -= 1
    for lane in places:
        tx.cursor.execute(_SQL["unpark"], (lane, delivery))


# --------------------------------------------------------------------------- several lanes


def places_of(tx: Transaction, delivery: int, lane: bytes | None, flags: int) -> Sequence[bytes]:
    """Return all lanes of a delivery, its first before the others; none for a lane of its own."""
    if lane is None:
        return ()
    if not flags & SEVERAL:
        return (lane,)
    return (lane, *(further for further, _ in tx.cursor.execute(_SQL["further"], (delivery,)).fetchall()))


def join(tx: Transaction, delivery: int, further: Sequence[bytes], standing: int) -> bool:
    """Let a new delivery stand in further lanes; return whether it waits in one of them."""
    waits = standing == STANDS and enter_all(tx, further, delivery)
    for lane in further:
        tx.cursor.execute(_SQL["further-add"], (delivery, lane, standing))
    if standing:
        tx.several += len(further)
    return waits


def copy(tx: Transaction, delivery: int, copied: int) -> None:
    """Let a copy stand in the further lanes of what it was copied from; they were entered before."""
    tx.cursor.execute(_SQL["further-copy"], (delivery, copied))
    tx.several += tx.connection.changes()


def stand(tx: Transaction, delivery: int, standing: int) -> None:
    """Note what a delivery has become in its further lanes."""
    known = tx.cursor.execute(_SQL["further"], (delivery,)).fetchall()
    tx.cursor.execute(_SQL["further-stand"], (delivery, standing))
    tx.several += sum((standing > 0) - (before > 0) for _, before in known)


def first(tx: Transaction, lane: bytes) -> int | None:
    """Return who stands first in the lane, whether or not it waits."""
    tx.flush()
    found = tx.cursor.execute(_HEAD_OF_ALL, (lane,)).fetchall()
    return found[0][0] if found else None


def _busy(tx: Transaction, lane: bytes) -> bool:
    if tx.settled:  # somebody may just have left it
        tx.flush()
    return bool(tx.cursor.execute(_BUSY_ALL if tx.several else _BUSY, (lane,)).fetchall()[0][0])


def _advance_all(tx: Transaction, lane: bytes) -> int | None:
    cursor = tx.cursor
    found = cursor.execute(_HEAD_OF_ALL, (lane,)).fetchall()
    if not found:
        return None
    sequence: int
    sequence, blocked, flags, own = found[0]
    if not blocked or cursor.execute(_STOPPED, (lane, sequence)).fetchall()[0][0]:
        return None
    if flags & SEVERAL:
        for each in places_of(tx, sequence, own, flags):
            if each != lane and cursor.execute(_SQL["stands-before-all"], (each, sequence)).fetchall()[0][0]:
                return None
    cursor.execute(_UNBLOCK, (sequence,))
    return sequence


# --------------------------------------------------------------------------- what a later one does to earlier ones


def overtake(
    tx: Transaction, rows: Rows, later: NewDelivery, sequence: int, lane: bytes
) -> tuple[int | None, list[int]]:
    """Apply what a superseding or recalling delivery does to its lane as it arrives.

    A recall closes the open dead letters of its route and destination and so unparks the lane. Return the head of the
    lane where somebody must look at it now: it just became head (`sequence` itself, perhaps), or it is overtaken and
    was made due. Beside it return who became head in the further lanes of what was closed.
    """
    tx.flush()
    others: list[int] = []
    if later.recalls:
        others = _recall_dead(tx, later, sequence, lane)
    became = advance(tx, lane)
    if became == sequence:
        return sequence, others
    found = tx.cursor.execute(_HEAD_OF_ALL if tx.several else _HEAD, (lane,)).fetchall()
    head = rows.delivery(found[0][0]) if found else None
    if head is None or head.sequence == sequence or (became is None and not _overtaken(head, later)):
        return None, others
    if head.also and found[0][1]:
        return None, others  # it waits in another of its lanes, and is looked at when it leaves
    if head.state in (State.PENDING, State.RETRYING):
        tx.cursor.execute(_SQL["nudge"], (head.sequence, later.due_ms))
    return head.sequence, others


def _overtaken(head: Delivery, later: NewDelivery) -> bool:
    if (head.route, head.destination) != (later.route, later.destination):
        return False
    if later.recalls:
        return True
    return later.version is not None and (head.version is None or head.version < later.version)


def _recall_dead(tx: Transaction, later: NewDelivery, sequence: int, lane: bytes) -> list[int]:
    """Close the dead letters that a recall ends; return who became head in their further lanes."""
    names = tx.names
    route = names.id(tx.cursor, "route", later.route)
    destination = names.id(tx.cursor, "destination", later.destination)
    found = tx.cursor.execute(_SQL["open-in-lane"], (lane, route, destination, sequence)).fetchall()
    freed: list[int] = []
    for dead, message, flags in found:
        places = places_of(tx, dead, lane, flags)
        close(tx, places, dead)
        tx.note(Action.RECALL, message=message, delivery=dead)
        freed += [head for each in places[1:] if (head := advance(tx, each)) is not None]
    return freed
