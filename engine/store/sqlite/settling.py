"""Settle, as it runs inside a group's transaction: the row, its attempt, its lane, and what a route made of it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.audit.vocabulary import Action
from engine.errors import Conflict, NotFound
from engine.model import Delivery, Hop, Result, State, trace_of
from engine.store.protocol import AttemptRow, LaneEffect, Settled, Settlement
from engine.store.sqlite import lanes
from engine.store.sqlite.accepting import Brought, add_deliveries, add_keys
from engine.store.sqlite.contents import (
    ABOUT,
    EVIDENCE,
    MEMORY,
    Content,
    headers_in,
    inline,
    of_bytes,
    of_keys,
    rows_of,
)
from engine.store.sqlite.rows import AWAITED, SEVERAL, STATES, Rows
from engine.store.sqlite.standing import Standing
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction, clean

_SQL = statements("settle")
_STANDING = _SQL["standing"]
_SETTLE = _SQL["settle"]
_OVERTAKE = _SQL["overtake"]
_OVERTAKE_FURTHER = _SQL["overtake-further"]
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
    before = _unchanged(tx, settlement)
    state, reason = settlement.state, clean(settlement.reason) or None
    terminal = state >= _TERMINAL
    leaves = terminal or settlement.lane is not LaneEffect.KEEP
    hops = tx.names.hops(before.chain)
    endpoint = hops[settlement.hop][0] if hops else before.endpoint
    row = (
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
    )
    _write(tx, row, state)
    tx.moved(before.route, (before.endpoint, before.state), (endpoint, state))
    if settlement.attempt is not None:
        add_attempt(tx, sequence, before, settlement.attempt)
    tx.log(Action.SETTLE, before.message, sequence, f"{state.word}: {reason}" if reason else state.word)
    if state is State.AWAITING or before.flags & AWAITED:
        _await(tx, sequence, state, settlement.reference)
    if settlement.remember:
        _remember(tx, sequence, before, settlement.remember)
    following = None
    heads: Sequence[Delivery] = ()
    if leaves and before.lane is not None:
        places = lanes.places_of(tx, sequence, before.lane, before.flags)
        became = _leave(tx, settlement, before, places)
        following = _next(tx, rows, became[0], settlement.pass_kind, before.lane) if became else None
        if len(became) > 1:
            heads = [head for each in became[1:] if each is not None and (head := rows.sendable(each))]
    spawned: Sequence[Delivery] = ()
    if settlement.spawn or settlement.keys or contents:
        spawned = _spawn(tx, rows, settlement, before, contents)
    return Settled(before.revision + 1, following, spawned, heads)


def _write(tx: Transaction, row: tuple[object, ...], state: State) -> None:
    """Change the row of a delivery, those that were delivered together with others of the group."""
    if state is State.DELIVERED and tx.puts_off:
        tx.settled.append(row)
        return
    tx.cursor.execute(_SETTLE, row)
    if not tx.connection.changes():
        *_, sequence, revision = row
        raise Conflict(f"delivery {sequence} is no longer at revision {revision}")


def _unchanged(tx: Transaction, settlement: Settlement) -> Standing:
    """Return how the delivery stands.

    Raises:
        Conflict: it has ended, or was changed since it was read.
    """
    sequence = settlement.delivery
    before = tx.known.pop(sequence, None)
    if before is None or before.revision != settlement.revision:
        before = standing_of(tx, sequence)
    if before.revision != settlement.revision:
        raise Conflict(f"delivery {sequence} is at revision {before.revision}, not {settlement.revision}")
    if before.state >= _TERMINAL:
        raise Conflict(f"delivery {sequence} has ended: {STATES[before.state].word}")
    return before


def add_attempt(tx: Transaction, delivery: int, before: Standing, attempt: AttemptRow) -> None:
    """Write an attempt and the partner's answer."""
    cursor, names = tx.cursor, tx.names
    evidence = None
    if before.flags & AWAITED:  # a confirmation takes the place of the answer that said to wait for it
        tx.flush_all()
        cursor.execute(_SQL["evidence-replace"], (delivery, before.generation, attempt.number))
    if attempt.evidence:
        tx.body += 1
        evidence = tx.body
        answer = inline(EVIDENCE, attempt.evidence)
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
        tx.doubt(sequence)
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


def _leave(
    tx: Transaction, settlement: Settlement, before: Standing, places: Sequence[bytes]
) -> list[int | None]:
    """Let the lanes go on, or stop them; return who became head of each, nothing where it had left them before."""
    state, sequence = settlement.state, settlement.delivery
    if before.flags & SEVERAL:
        lanes.stand(tx, sequence, lanes.DEAD if state is State.DEAD else lanes.OVER)
    if state is State.DEAD:
        tx.open_lanes += 1
        if settlement.lane is LaneEffect.PARK:
            for lane in places:
                lanes.park(tx, lane, sequence)
                if not before.holds:  # it had left while it waited for its confirmation; others went on
                    lanes.block_behind(tx, lane, sequence)
    elif tx.open_lanes and state in (State.DELIVERED, State.DELIVERED_BY_FALLBACK):
        _overtake(tx, places, sequence)
    return [lanes.leave(tx, lane, sequence) for lane in places] if before.holds else []


def _overtake(tx: Transaction, places: Sequence[bytes], sequence: int) -> None:
    """Mark the dead letters that a delivered one left behind: they may not come after it as if nothing had been."""
    for lane in places:
        tx.cursor.execute(_OVERTAKE, (lane, sequence))
        if tx.several:
            tx.cursor.execute(_OVERTAKE_FURTHER, (lane, sequence))


def _next(tx: Transaction, rows: Rows, following: int | None, kind: str, lane: bytes) -> Delivery | None:
    if kind:
        heir = lanes.first(tx, lane) if following is None and tx.several else following
        if heir is not None:
            _pass_kind(tx, heir, kind)
    if following is None:
        return None
    return (None if kind or tx.several else tx.waiting.take(following)) or rows.sendable(following)


# --------------------------------------------------------------------------- what a partner confirms later


def _await(tx: Transaction, sequence: int, state: State, reference: str) -> None:
    """Make a delivery findable by the ids under which its confirmation may come, until it has ended."""
    if state is State.AWAITING:
        tx.flush()
        tx.cursor.execute(_SQL["awaited-add"], (sequence, reference))
        tx.cursor.execute(_SQL["awaited-flag"], (sequence,))
    elif state >= _TERMINAL:
        tx.cursor.execute(_SQL["awaited-forget"], (sequence,))


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
    tx.doubt(following)
    cursor.execute(_SQL["pass-kind"], (following, names.id(cursor, "kind", kind), number))


def _remember(tx: Transaction, sequence: int, before: Standing, values: Sequence[tuple[str, str]]) -> None:
    """Keep values of an answer for later messages of the delivery's ordering key."""
    tx.flush()
    cursor, names = tx.cursor, tx.names
    found = cursor.execute(_SQL["owner"], (sequence,)).fetchall()
    for name, value in values if found else ():
        owner, number = found[0][0], names.id(cursor, "memory", name)
        cursor.execute(_SQL["memory-replace"], (owner, number))
        tx.body += 1
        content = of_bytes(MEMORY, clean(value).encode())
        tx.bodies += rows_of(
            cursor, names, [content], first=tx.body, message=before.message, bucket=before.bucket, late=1
        )
        cursor.execute(_SQL["memory-put"], (owner, number, before.message, tx.body))


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
