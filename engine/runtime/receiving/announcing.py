"""Answers that go to an endpoint: a delivery of the engine's own beside those of the routes, in the same commit."""

from __future__ import annotations

from engine.model import Hop, Message, Verdict
from engine.runtime.routing.plan import Plan
from engine.spi import Exchange
from engine.store.protocol import NewDelivery, Rendering

ANSWER = "answer:"
"""Begins the name of the route that such a delivery seems to come from; the listener's name follows."""

DESTINATION = "acknowledgement"
_ROLE = "acknowledgement"


def announce(listener: str, message: Message, plan: Plan, exchange: Exchange, verdict: Verdict) -> None:
    """Add to the plan what the exchange answers by an endpoint, if it does."""
    announcing = getattr(
        exchange, "announce", None
    )  # few can, and asking a protocol costs more than all this
    announcement = announcing(verdict) if announcing is not None else None
    if announcement is None:
        return
    body = announcement.body
    plan.deliveries.append(
        NewDelivery(
            route=ANSWER + listener,
            route_version="",
            destination=DESTINATION,
            chain=(Hop(announcement.endpoint, _ROLE),),
            lane="",
            due_ms=message.received_ms,
            kind="ACK",
        )
    )
    plan.renderings.append(Rendering(_ROLE, body, body.content_type))
