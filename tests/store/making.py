"""What the store's tests write: synthetic messages, duties and settlements, in one line each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from engine.ids import IdSource
from engine.model import Body, Delivery, Disposition, Fault, Hop, Message, Result, State
from engine.store.protocol import (
    Acceptance,
    AttemptRow,
    LaneEffect,
    NewDelivery,
    Operation,
    Query,
    Refusal,
    Rendering,
    Settlement,
    Store,
    Verb,
)
from engine.testing.virtual_clock import VirtualClock

NINE = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
NOW = round(NINE.timestamp() * 1000)
DAY = 86_400_000
WEEK = 7 * DAY
EMR, QUEUE, MAIL = "clinic.emr", "clinic.queue", "clinic.mail"
CHAIN = (Hop(EMR), Hop(QUEUE), Hop(MAIL, "rendered:mail"))

_ids = IdSource(VirtualClock(NINE))
_controls = itertools.count(1)


def message(
    control: str = "",
    body: bytes = b'{"appointment": 1}',
    *,
    partner: str | None = "platform",
    listener: str = "public",
    at_ms: int = NOW,
) -> Message:
    """Return a fresh message; without a control id it gets one of its own."""
    return Message(
        id=_ids.next(),
        listener=listener,
        body=Body.of(body),
        codec="json",
        received_ms=at_ms,
        partner=partner,
        control_id=control or f"c{next(_controls)}",
        content_type="application/cloudevents+json",
    )


def duty(
    lane: str = "", *, chain: tuple[Hop, ...] = CHAIN, route: str = "appointment", **more: object
) -> NewDelivery:
    """Return a delivery that is due at once."""
    new = NewDelivery(route, "v1", chain[0].endpoint if chain else "", chain, lane, NOW)
    return replace(new, **more)  # type: ignore[arg-type]  # the fields of NewDelivery, by name


def acceptance(
    *duties: NewDelivery,
    of: Message | None = None,
    window: int = WEEK,
    reply: bytes = b"accepted",
    renderings: Sequence[Rendering] | None = None,
    keys: Sequence[tuple[str, str]] = (),
    collision: str = "accept",
    alternates: Callable[[], Sequence[Rendering]] | None = None,
) -> Acceptance:
    """Return a message with its duties and the renderings that they name."""
    given = of or message()
    if renderings is None:
        renderings = [
            Rendering("rendered", Body.of(b"for " + given.id.encode()), "application/json"),
            Rendering("rendered:mail", Body.of(b"a notice"), "text/plain"),
        ]
    return Acceptance(
        given,
        Disposition.ACCEPTED,
        reply,
        duties,
        renderings,
        keys,
        {"traceparent": "00-1-2-01"},
        window,
        collision,
        b"conflict",
        alternates,
    )


def refusal(of: Message | None = None) -> Refusal:
    """Return a message that was turned away."""
    return Refusal(
        of or message(),
        b"refused",
        [Fault("appointment.end", "ends before it starts", "rule")],
        "appointment",
    )


def settled(
    delivery: Delivery,
    state: State = State.DELIVERED,
    lane: LaneEffect = LaneEffect.FREE,
    *,
    result: Result = Result.DELIVERED,
    **more: object,
) -> Settlement:
    """Return the settlement of one more attempt at a delivery."""
    number = delivery.attempts + 1
    settlement = Settlement(
        delivery.sequence,
        delivery.revision,
        state,
        due_ms=delivery.due_ms,
        hop=delivery.hop,
        attempts=number,
        lane=lane,
        attempt=AttemptRow(delivery.endpoint, number, NOW, 12, result, "202", "", b"thanks"),
    )
    return replace(settlement, **more)  # type: ignore[arg-type]  # the fields of Settlement, by name


def retrying(delivery: Delivery, due_ms: int, **more: object) -> Settlement:
    """Return the settlement of a failed attempt that is tried again."""
    return settled(
        delivery,
        State.RETRYING,
        LaneEffect.KEEP,
        result=Result.TRANSIENT,
        due_ms=due_ms,
        **more,
    )


def dead(delivery: Delivery, *, parks: bool, reason: str = "budget") -> Settlement:
    """Return the settlement of a delivery that is given up."""
    lane = LaneEffect.PARK if parks else LaneEffect.FREE
    return settled(delivery, State.DEAD, lane, result=Result.TRANSIENT, reason=reason)


def operation(verb: Verb, delivery: int, **more: object) -> Operation:
    """Return an operator's action."""
    return replace(
        Operation(verb, delivery, "operator", "asked by the clinic", NOW),
        **more,  # type: ignore[arg-type]  # the fields of Operation, by name
    )


async def line(store: Store, *lanes: str | tuple[str, State]) -> list[int]:
    """Accept one message per lane, in order; return the sequences of their deliveries."""
    sequences = []
    for entry in lanes:
        lane, state = (entry, State.PENDING) if isinstance(entry, str) else entry
        accepted = await store.accept(
            acceptance(duty(lane, state=state, parks=state is State.DEAD), of=message())
        )
        (row,) = await store.deliveries(Query(id=accepted.message_id))
        sequences.append(row.delivery.sequence)
    return sequences


async def delivery_at(store: Store, sequence: int) -> Delivery:
    """Return a delivery as it is now."""
    rows = await store.deliveries(Query(limit=10_000))
    return next(row.delivery for row in rows if row.delivery.sequence == sequence)
