"""Deliveries and attempts for tests of pure functions."""

from __future__ import annotations

from typing import Any

from engine.model import Delivery, Hop, Result, State
from engine.store.protocol import AttemptRow

NOW = 1_000_000_000
HOUR = 3_600_000


def delivery(**changes: Any) -> Delivery:
    """Return a delivery of two hops that was accepted now and never tried."""
    values: dict[str, Any] = {
        "sequence": 1,
        "message": 1,
        "message_id": "01JD0000000000000001",
        "route": "appointments",
        "route_version": "v1",
        "destination": "emr",
        "lane": b"lane",
        "chain": (Hop("clinic.emr"), Hop("clinic.queue")),
        "hop": 0,
        "state": State.PENDING,
        "due_ms": NOW,
        "accepted_ms": NOW,
        "revision": 4,
    }
    return Delivery(**(values | changes))


def attempt(result: Result = Result.TRANSIENT, **changes: Any) -> AttemptRow:
    """Return an attempt that began now."""
    values: dict[str, Any] = {
        "endpoint": "clinic.emr",
        "number": 1,
        "started_ms": NOW,
        "took_ms": 5,
        "result": result,
        "code": "x",
    }
    return AttemptRow(**(values | changes))
