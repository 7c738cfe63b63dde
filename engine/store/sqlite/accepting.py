"""Accept and refuse, as they run inside a group's transaction: duplicate, collision, rows, lanes, nudges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.audit.vocabulary import Action
from engine.errors import Conflict
from engine.model import INLINE_LIMIT, Body, Delivery, Disposition, Message, State, trace_of
from engine.store.protocol import Acceptance, Accepted, NewDelivery, Refusal, Rendering
from engine.store.sqlite import lanes
from engine.store.sqlite.contents import RAW, REPLY, Content, of_bytes, rows_of
from engine.store.sqlite.instances import add_instance, end_gathering
from engine.store.sqlite.names import month_of
from engine.store.sqlite.rows import (
    FALLBACK,
    RECALLS,
    SEVERAL,
    SUPERSEDES,
    TRACED,
    Rows,
    lane_of,
    make_delivery,
)
from engine.store.sqlite.standing import Standing
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction, clean

_SQL = statements("accept")
_DEDUP_FIND = _SQL["dedup-find"]
_DOOR = ("listener", "partner", "codec")
_DUTY = ("route", "version", "destination", "kind")
_LEARNER = statements("settle")["learner-add"]
_DAY_MS = 86_400_000
_TERMINAL = int(State.DELIVERED)
_NEVER_NEW = frozenset({State.IN_FLIGHT, State.DELIVERED, State.DELIVERED_BY_FALLBACK})

COLLIDED = 1
"""Bit of messages.flags: a known id came with another body."""

PAYLOAD = "payload"
"""The retention class of what partners sent and get."""


class Brought(NamedTuple):
    """The message that deliveries belong to, with the content at hand for those that may leave at once."""

    sequence: int
    id: str
    accepted_ms: int
    bucket: int
    renderings: Sequence[Rendering]
    trace: Mapping[str, str]
    raw: Body | None = None


def accept(
    tx: Transaction, rows: Rows, acceptance: Acceptance, contents: Sequence[Content]
) -> Accepted | None:
    """Store a message with all that it brings, unless it is a copy of a known one.

    None, and nothing is written: it needs its alternates, so come again with them and without `alternates`.
    """
    message = acceptance.message
    door = tx.names.together(tx.cursor, _DOOR, (message.listener, message.partner or "", message.codec))
    disposition = acceptance.disposition
    checked = acceptance.dedup_window_ms > 0 and message.control_id != ""
    if checked:
        known, first = _known(tx, acceptance, door)
        if first is not None:
            return _duplicate(tx, rows, acceptance, door[1], first)
        if known:
            disposition = Disposition.COLLISION
    if acceptance.alternates is not None and _meets_older(tx, acceptance.deliveries):
        return None
    refused = disposition is Disposition.COLLISION and acceptance.collision == "refuse"
    if refused:
        contents = _with_reply(contents, acceptance.collision_reply)
    sequence, bucket = _add_message(tx, message, door, disposition, contents)
    tx.log(Action.COLLISION if disposition is Disposition.COLLISION else Action.ACCEPT, sequence, None, None)
    if refused:
        return Accepted(disposition, sequence, message.id, acceptance.collision_reply)
    if checked:
        _remember(tx, acceptance, door, sequence)
    if message.instance is not None:
        add_instance(tx, message, sequence, door[0])
    if message.gathered is not None:
        end_gathering(tx, message.gathered)
    if acceptance.keys:
        add_keys(tx, sequence, message.received_ms, acceptance.keys)
    raw = _with_type(message.body, message.content_type)
    trace = trace_of(acceptance.headers)
    brought = Brought(sequence, message.id, message.received_ms, bucket, acceptance.renderings, trace, raw)
    ready, nudged = add_deliveries(tx, rows, acceptance.deliveries, brought)
    return Accepted(disposition, sequence, message.id, acceptance.reply, ready, nudged)


def _meets_older(tx: Transaction, new: Sequence[NewDelivery]) -> bool:
    """Say whether a delivery that supersedes finds others in its lane, whose kind it might have to take over."""
    return any(
        lanes.has_older(tx, tx.digests.lane(_endpoint_of(tx, item), item.lane))
        for item in new
        if item.supersedes and item.lane
    )


def _endpoint_of(tx: Transaction, item: NewDelivery) -> int:
    return tx.names.first(tx.names.chain_id(tx.cursor, item.chain))


def refuse(tx: Transaction, rows: Rows, refusal: Refusal, contents: Sequence[Content]) -> None:
    """Keep a message that was turned away, and why, with the dead letters that tell of it."""
    message = refusal.message
    door = tx.names.together(tx.cursor, _DOOR, (message.listener, message.partner or "", message.codec))
    sequence, bucket = _add_message(tx, message, door, Disposition.REFUSED, contents)
    faults = ", ".join(f"{fault.code} {fault.path}".strip() for fault in refusal.faults[:8])
    tx.note(Action.REFUSE, message=sequence, detail=f"{refusal.route}: {faults}"[:400])
    if message.gathered is not None:
        end_gathering(tx, message.gathered)
    if refusal.deliveries:
        brought = Brought(sequence, message.id, message.received_ms, bucket, (), trace_of(message.headers))
        add_deliveries(tx, rows, refusal.deliveries, brought)


def add_keys(tx: Transaction, message: int, received_ms: int, keys: Sequence[tuple[str, str]]) -> None:
    """Write business keys as digests, in the month of their message."""
    month = month_of(received_ms)
    if tx.key_month != month:
        tx.cursor.execute(_SQL["key-month"], (month,))
        tx.key_month = month
    for name, value in keys:
        number = tx.names.id(tx.cursor, "key", name)
        tx.keys += (month, number, tx.digests.key(number, value), message)


def add_deliveries(
    tx: Transaction, rows: Rows, new: Sequence[NewDelivery], brought: Brought
) -> tuple[list[Delivery], list[Delivery]]:
    """Write deliveries in order; return those that may be sent now, and the waiting heads that they overtake."""
    ready: list[Delivery] = []
    nudged: list[Delivery] = []
    for item in new:
        if item.state in _NEVER_NEW:
            raise Conflict(f"a delivery is not created {item.state.word}")
        sequence, lane, blocked, also = _add_delivery(tx, item, brought)
        if item.remembers and item.lane:
            tx.cursor.execute(_LEARNER, (sequence, tx.digests.owner(item.lane)))
        if item.state is State.DEAD and lane is not None:
            _stop_lanes(tx, (lane, *also), sequence, parks=item.parks)
        if lane is not None and (item.recalls or (item.supersedes and blocked)) and item.state < _TERMINAL:
            head, freed = lanes.overtake(tx, rows, item, sequence, lane)
            heads = freed if head is None else [head, *freed]
            if sequence in heads:
                blocked = False
            nudged += [found for each in heads if each != sequence and (found := rows.sendable(each))]
        if item.state is State.PENDING:
            delivery = _ready(item, brought, sequence, lane, also)
            if not blocked:
                ready.append(delivery)
            elif delivery.body is not None and not also:
                tx.waiting.put(sequence, delivery, delivery.body.size)
    return ready, nudged


# --------------------------------------------------------------------------- the duplicate check


def _known(
    tx: Transaction, acceptance: Acceptance, door: tuple[int, ...]
) -> tuple[bool, tuple[int, str] | None]:
    """Return whether the id is known in its window, and the (sequence, id) of the copy with the same body."""
    message = acceptance.message
    since = message.received_ms - acceptance.dedup_window_ms
    if (door[0], door[1], message.control_id) in tx.controls:
        tx.flush()
    found = tx.cursor.execute(
        _DEDUP_FIND,
        (since // _DAY_MS, message.received_ms // _DAY_MS + 1, door[0], door[1], message.control_id),
    ).fetchall()
    known = False
    for sequence, identifier, sha256, received in found:
        if received >= since:
            known = True
            if sha256 == message.body.sha256:
                return True, (sequence, identifier)
    return known, None


def _duplicate(
    tx: Transaction, rows: Rows, acceptance: Acceptance, partner: int, first: tuple[int, str]
) -> Accepted:
    """Answer a copy as the first one was answered; nothing is queued.

    Where retention or damage took the stored reply, the one that was rendered for this copy says the same.
    """
    sequence, identifier = first
    message = acceptance.message
    tx.arrived(partner, message.received_ms, Disposition.DUPLICATE)
    tx.note(Action.DUPLICATE, message=sequence, detail=message.id)
    stored = rows.read(sequence, REPLY)
    reply = acceptance.reply if stored is None else stored
    return Accepted(Disposition.DUPLICATE, sequence, identifier, reply)


def _remember(tx: Transaction, acceptance: Acceptance, door: tuple[int, ...], sequence: int) -> None:
    message = acceptance.message
    tx.within(acceptance.dedup_window_ms)
    day = message.received_ms // _DAY_MS
    if tx.dedup_day != day:
        tx.cursor.execute(_SQL["dedup-day"], (day,))
        tx.dedup_day = day
    listener, partner, _ = door
    control = message.control_id
    tx.controls[listener, partner, control] = (day, listener, partner, control, sequence)


def _with_reply(contents: Sequence[Content], reply: bytes) -> list[Content]:
    kept = [content for content in contents if content.role != REPLY]
    return [*kept, of_bytes(REPLY, reply)] if reply else kept


# --------------------------------------------------------------------------- rows


def _add_message(
    tx: Transaction,
    message: Message,
    door: tuple[int, ...],
    disposition: Disposition,
    contents: Sequence[Content],
) -> tuple[int, int]:
    """Write a message and its content; return its sequence and its bucket."""
    tx.message += 1
    sequence = tx.message
    first = tx.body + 1
    tx.body += len(contents)
    body = message.body
    received = message.received_ms
    tx.messages += (
        sequence,
        message.id,
        *door,
        disposition,
        COLLIDED if disposition is Disposition.COLLISION else 0,
        received,
        body.size,
        body.sha256,
        first,
        len(contents),
        message.control_id or None,
        message.replay_of,
    )
    bucket = tx.names.bucket_id(tx.cursor, door[1], PAYLOAD, received)
    tx.bodies += rows_of(tx.cursor, tx.names, contents, first=first, message=sequence, bucket=bucket)
    tx.arrived(door[1], received, disposition)
    return sequence, bucket


def _add_delivery(
    tx: Transaction, item: NewDelivery, brought: Brought
) -> tuple[int, bytes | None, bool, tuple[bytes, ...]]:
    """Write one delivery; return its sequence and lane, whether it waits in one, and its further lanes."""
    state, names = item.state, tx.names
    duty = (item.route, item.route_version, item.destination, item.kind)
    route, version, destination, kind = names.together(tx.cursor, _DUTY, duty)
    chain = names.chain_id(tx.cursor, item.chain)
    endpoint = names.first(chain)
    lane = tx.digests.lane(endpoint, item.lane) if item.lane else None
    terminal = state >= _TERMINAL
    overtakes = _overtakes(item)
    holds = lane is not None and not terminal
    sequence = tx.delivery = tx.delivery + 1
    blocked = holds and lane is not None and lanes.enter(tx, lane, sequence)
    also = _join_further(tx, item, sequence, endpoint, lane) if item.also else _NO_LANES
    blocked = blocked or also.blocked
    flags = _flags(item, brought, overtakes, also.lanes)
    tx.deliveries += (
        sequence,
        brought.sequence,
        item.part,
        route,
        version,
        destination,
        chain,
        endpoint,
        state,
        blocked,
        holds,
        state is State.DEAD,
        flags,
        overtakes > 0,
        item.due_ms,
        brought.accepted_ms,
        kind,
        tx.now_ms if terminal else 0,
        brought.bucket,
        item.deadline_ms,
        item.expire_ms,
        item.version,
        item.message_id or None,
        clean(item.reason) or None,
        lane,
    )
    tx.created(route, endpoint, state)
    if state is State.PENDING:
        place = (0, 0, chain, endpoint, route, destination, lane, holds, blocked)
        whose = (brought.sequence, 0, 0, 0, item.part, brought.bucket, flags)
        tx.known[sequence] = tuple.__new__(Standing, place + whose)
    return sequence, lane, blocked, also.lanes


class Further(NamedTuple):
    """The lanes of a delivery's further keys, and whether it waits in one of them."""

    lanes: tuple[bytes, ...] = ()
    blocked: bool = False


_NO_LANES = Further()


def _join_further(
    tx: Transaction, item: NewDelivery, sequence: int, endpoint: int, lane: bytes | None
) -> Further:
    """Let a delivery stand in the lanes of its further keys, each once and without the first."""
    if lane is None:
        return _NO_LANES
    named = dict.fromkeys(tx.digests.lane(endpoint, key) for key in item.also if key)
    further = tuple(each for each in named if each != lane)
    return Further(further, lanes.join(tx, sequence, further, _standing(item.state)))


def _flags(item: NewDelivery, brought: Brought, overtakes: int, further: tuple[bytes, ...]) -> int:
    return (
        overtakes
        | (FALLBACK if item.fallback else 0)
        | (TRACED if brought.trace else 0)
        | (SEVERAL if further else 0)
    )


def _standing(state: State) -> int:
    if state < _TERMINAL:
        return lanes.STANDS
    return lanes.DEAD if state is State.DEAD else lanes.OVER


def _overtakes(item: NewDelivery) -> int:
    return (SUPERSEDES if item.supersedes else 0) | (RECALLS if item.recalls else 0)


def _stop_lanes(tx: Transaction, places: Sequence[bytes], sequence: int, *, parks: bool) -> None:
    """Note a dead letter that was born in its lanes; it stops them where its route parks."""
    tx.open_lanes += 1
    if parks:
        for lane in places:
            lanes.park(tx, lane, sequence)


def _ready(
    item: NewDelivery, brought: Brought, sequence: int, lane: bytes | None, also: tuple[bytes, ...]
) -> Delivery:
    """Return a delivery that may be sent now, without reading what was just written; its content where it is inline."""
    body = None
    if item.chain:
        role = item.chain[0].rendering
        if role == RAW:
            body = brought.raw
        for rendering in brought.renderings:
            if rendering.role == role and rendering.part == item.part:
                body = _with_type(rendering.body, rendering.content_type)
    return make_delivery(
        (
            sequence,
            brought.sequence,
            item.message_id or brought.id,
            item.route,
            item.route_version,
            item.destination,
            lane_of(lane, sequence),
            item.chain,
            0,
            item.state,
            item.due_ms,
            brought.accepted_ms,
            *_FRESH,
            item.deadline_ms,
            item.expire_ms,
            item.version,
            item.supersedes,
            item.recalls,
            item.fallback,
            item.kind,
            item.reason,
            body,
            item.part,
            brought.trace,
            also,
        )
    )


def _with_type(body: Body, content_type: str) -> Body | None:
    """Return content that is inline; what is large is asked of the archive, which has it in a file."""
    if body.data is None or body.size > INLINE_LIMIT:
        return None
    if body.content_type == content_type:
        return body
    return Body(body.size, body.sha256, body.data, None, content_type)


_FRESH = (0, 0, 0, 0, 0, 0)
"""Revision, generation, attempts, hop_attempts, hop_ms and unknown of a new delivery."""
