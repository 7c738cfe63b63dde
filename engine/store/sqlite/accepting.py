"""Accept and refuse, as they run inside a group's transaction: duplicate, collision, rows, lanes, nudges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Conflict
from engine.model import Body, Delivery, Disposition, Message, State
from engine.store.protocol import Acceptance, Accepted, NewDelivery, Refusal
from engine.store.sqlite import lanes
from engine.store.sqlite.contents import REPLY, Content, add_contents, body_of
from engine.store.sqlite.names import month_of
from engine.store.sqlite.rows import FALLBACK, RECALLS, SUPERSEDES, Rows, lane_of
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("accept")
_DEDUP_FIND = _SQL["dedup-find"]
_DEDUP_ADD = _SQL["dedup-add"]
_MESSAGE_ADD = _SQL["message-add"]
_DELIVERY_ADD = _SQL["delivery-add"]
_LANE_BUSY = _SQL["lane-busy"]
_DAY_MS = 86_400_000

COLLIDED = 1
"""Bit of messages.flags: a known id came with another body."""

PAYLOAD = "payload"
"""The retention class of what partners sent and get."""


@dataclass(frozen=True, slots=True)
class Brought:
    """The message that deliveries belong to, with the content at hand for those that may leave at once."""

    sequence: int
    id: str
    accepted_ms: int
    raw: Body
    contents: Sequence[Content]
    folder: Path

    def body(self, role: str, part: int) -> Body | None:
        """Return content by role, where it came along."""
        for content in self.contents:
            if content.role == role and content.part == part:
                return body_of(content, self.raw, self.folder)
        return None


def accept(
    tx: Transaction, rows: Rows, acceptance: Acceptance, contents: Sequence[Content], folder: Path
) -> Accepted:
    """Store a message with all that it brings, unless it is a copy of a known one."""
    message = acceptance.message
    names, cursor = tx.names, tx.cursor
    listener = names.id(cursor, "listener", message.listener)
    partner = names.id(cursor, "partner", message.partner or "")
    disposition = acceptance.disposition
    checked = acceptance.dedup_window_ms > 0 and message.control_id != ""
    if checked:
        known, first = _known(tx, acceptance, listener, partner)
        if first is not None:
            return _duplicate(tx, rows, acceptance, partner, first)
        if known:
            disposition = Disposition.COLLISION
    refused = disposition is Disposition.COLLISION and acceptance.collision == "refuse"
    if refused:
        contents = _with_reply(contents, acceptance.collision_reply)
    sequence = _add_message(tx, message, listener, partner, disposition, contents)
    tx.arrived(partner, message.received_ms, disposition)
    tx.note("accept" if disposition < Disposition.REFUSED else disposition.word, message=sequence)
    if refused:
        return Accepted(disposition, sequence, message.id, acceptance.collision_reply)
    if checked:
        _remember(tx, message, listener, partner, sequence, acceptance.dedup_window_ms)
    if acceptance.keys:
        add_keys(tx, sequence, message.received_ms, acceptance.keys)
    brought = Brought(sequence, message.id, message.received_ms, message.body, contents, folder)
    ready, nudged = add_deliveries(tx, rows, acceptance.deliveries, brought)
    return Accepted(disposition, sequence, message.id, acceptance.reply, ready, nudged)


def refuse(tx: Transaction, refusal: Refusal, contents: Sequence[Content]) -> None:
    """Keep a message that was turned away, and why."""
    message = refusal.message
    names, cursor = tx.names, tx.cursor
    listener = names.id(cursor, "listener", message.listener)
    partner = names.id(cursor, "partner", message.partner or "")
    sequence = _add_message(tx, message, listener, partner, Disposition.REFUSED, contents)
    tx.arrived(partner, message.received_ms, Disposition.REFUSED)
    faults = ", ".join(f"{fault.code} {fault.path}".strip() for fault in refusal.faults[:8])
    tx.note("refuse", message=sequence, detail=f"{refusal.route}: {faults}"[:400])


def add_keys(tx: Transaction, message: int, received_ms: int, keys: Sequence[tuple[str, str]]) -> None:
    """Write business keys as digests, in the month of their message."""
    month = month_of(received_ms)
    if tx.key_month != month:
        tx.cursor.execute(_SQL["key-month"], (month,))
        tx.key_month = month
    for name, value in keys:
        number = tx.names.id(tx.cursor, "key", name)
        tx.cursor.execute(_SQL["key-add"], (month, number, tx.digests.key(number, value), message))


def add_deliveries(
    tx: Transaction, rows: Rows, new: Sequence[NewDelivery], brought: Brought
) -> tuple[list[Delivery], list[Delivery]]:
    """Write deliveries in order; return those that may be sent now, and the waiting heads that they overtake."""
    ready: list[Delivery] = []
    nudged: list[Delivery] = []
    for item in new:
        delivery, lane, blocked = _add_delivery(tx, item, brought)
        if (
            lane is not None
            and (item.recalls or (item.supersedes and blocked))
            and not delivery.state.terminal
        ):
            head = lanes.overtake(tx, rows, delivery, lane)
            if head is not None and head.sequence == delivery.sequence:
                blocked = False
            elif head is not None:
                nudged.append(rows.with_body(head))
        if not blocked and delivery.state is State.PENDING:
            ready.append(delivery)
    return ready, nudged


# --------------------------------------------------------------------------- the duplicate check


def _known(
    tx: Transaction, acceptance: Acceptance, listener: int, partner: int
) -> tuple[bool, tuple[int, str] | None]:
    """Return whether the id is known in its window, and the (sequence, id) of the copy with the same body."""
    message = acceptance.message
    since = message.received_ms - acceptance.dedup_window_ms
    found = tx.cursor.execute(
        _DEDUP_FIND,
        (since // _DAY_MS, message.received_ms // _DAY_MS + 1, listener, partner, message.control_id),
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
    """Answer a copy as the first one was answered; nothing is queued."""
    sequence, identifier = first
    reply = rows.find(sequence, REPLY, 0)
    stored = rows.handle(reply).read() if reply is not None else b""
    message = acceptance.message
    tx.arrived(partner, message.received_ms, Disposition.DUPLICATE)
    tx.note("duplicate", message=sequence, detail=message.id)
    return Accepted(Disposition.DUPLICATE, sequence, identifier, stored)


def _remember(
    tx: Transaction, message: Message, listener: int, partner: int, sequence: int, window_ms: int
) -> None:
    tx.within(window_ms)
    day = message.received_ms // _DAY_MS
    if tx.dedup_day != day:
        tx.cursor.execute(_SQL["dedup-day"], (day,))
        tx.dedup_day = day
    tx.cursor.execute(_DEDUP_ADD, (day, listener, partner, message.control_id, sequence))


def _with_reply(contents: Sequence[Content], reply: bytes) -> list[Content]:
    kept = [content for content in contents if content.role != REPLY]
    return [*kept, Content(REPLY, 0, "", Body.of(reply).sha256, reply)] if reply else kept


# --------------------------------------------------------------------------- rows


def _add_message(
    tx: Transaction,
    message: Message,
    listener: int,
    partner: int,
    disposition: Disposition,
    contents: Sequence[Content],
) -> int:
    cursor, names = tx.cursor, tx.names
    tx.message += 1
    sequence = tx.message
    first = tx.body + 1
    tx.body += len(contents)
    cursor.execute(
        _MESSAGE_ADD,
        (
            sequence,
            message.id,
            listener,
            partner,
            names.id(cursor, "codec", message.codec),
            int(disposition),
            COLLIDED if disposition is Disposition.COLLISION else 0,
            message.received_ms,
            message.body.size,
            message.body.sha256,
            first,
            len(contents),
            message.control_id or None,
            message.replay_of,
        ),
    )
    bucket = names.bucket_id(cursor, partner, PAYLOAD, message.received_ms)
    add_contents(cursor, names, contents, first=first, message=sequence, bucket=bucket)
    return sequence


def _add_delivery(
    tx: Transaction, item: NewDelivery, brought: Brought
) -> tuple[Delivery, bytes | None, bool]:
    """Write one delivery; return it with its lane and whether it waits there."""
    if item.state in (State.IN_FLIGHT, State.DELIVERED, State.DELIVERED_BY_FALLBACK):
        raise Conflict(f"a delivery is not created {item.state.word}")
    cursor, names = tx.cursor, tx.names
    endpoint = names.id(cursor, "endpoint", item.chain[0].endpoint if item.chain else "")
    route = names.id(cursor, "route", item.route)
    lane = tx.digests.lane(endpoint, item.lane) if item.lane else None
    state = item.state
    terminal = state >= 10
    blocked = lane is not None and not terminal and bool(cursor.execute(_LANE_BUSY, (lane,)).fetchall()[0][0])
    tx.delivery += 1
    sequence = tx.delivery
    flags = (SUPERSEDES if item.supersedes else 0) | (RECALLS if item.recalls else 0)
    flags |= FALLBACK if item.fallback else 0
    cursor.execute(
        _DELIVERY_ADD,
        (
            sequence,
            brought.sequence,
            item.part,
            route,
            names.id(cursor, "version", item.route_version),
            names.id(cursor, "destination", item.destination),
            names.chain_id(cursor, item.chain),
            endpoint,
            int(state),
            blocked,
            lane is not None and not terminal,
            state is State.DEAD,
            flags,
            flags & (SUPERSEDES | RECALLS) > 0,
            item.due_ms,
            brought.accepted_ms,
            names.id(cursor, "kind", item.kind),
            tx.now_ms if terminal else 0,
            lane,
            item.deadline_ms,
            item.expire_ms,
            item.version,
            item.message_id or None,
            item.reason or None,
        ),
    )
    tx.created(route, endpoint, state)
    if state is State.DEAD and item.parks and lane is not None:
        lanes.park(tx, lane, sequence)
    return _delivery(item, brought, sequence, lane), lane, blocked


def _delivery(item: NewDelivery, brought: Brought, sequence: int, lane: bytes | None) -> Delivery:
    return Delivery(
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
        deadline_ms=item.deadline_ms,
        expire_ms=item.expire_ms,
        version=item.version,
        supersedes=item.supersedes,
        recalls=item.recalls,
        fallback=item.fallback,
        kind=item.kind,
        reason=item.reason,
        body=brought.body(item.chain[0].rendering, item.part) if item.chain else None,
        part=item.part,
    )
