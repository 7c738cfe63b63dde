"""Synthetic histories of orders, appointments, patients and performed steps, as events that feed a worklist."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from engine.model import Body, Hop, State
from engine.runtime.worklists.projection import StoredWorklists
from engine.spi import Narrow, Performed, Told
from engine.store.protocol import Rendering, Store
from tests.channels.dicom.worklists import HOUSE, MONTH_MS, order
from tests.store.making import acceptance, duty, message, settled

FEED = "ris.worklist"
EVERYTHING = Narrow(hidden=True)
_CONTROLS = (
    "placed", "changed", "change-wanted", "cancellation-wanted", "discontinued", "status-changed", "held", "released",
)  # fmt: skip

Event = tuple[str, dict[str, Any]]


def moment(minute: int) -> str:
    """Return a moment on the morning of 2 November, by its minute."""
    return f"2026-11-02T{8 + minute // 60:02}:{minute % 60:02}:00-05:00"


def merge(former: str, present: str, minute: int) -> Event:
    """Return the merge of one patient into another (ADT A40)."""
    return "patient-merged", {
        "kind": "merged",
        "patient": {
            "identifiers": [{"value": present, "authority": "HSJ", "type": "MR"}],
            "names": [{"family": f"Family{present}", "given": "Given"}],
        },
        "merged": {"identifiers": [{"value": former, "authority": "HSJ", "type": "MR"}]},
        "message": {"sentAt": moment(minute), "controlId": f"M{minute}"},
    }


def appointment(number: str, start: str, minute: int, *, kind: str = "booked") -> Event:
    """Return an appointment for an order (SIU), known by the order's own number."""
    event = {"booked": "appointment-booked", "cancelled": "appointment-cancelled"}.get(
        kind, "appointment-modified"
    )
    return event, {
        "kind": kind,
        "appointment": {
            "id": f"RDV{number}",
            "start": start,
            "placerOrders": [{"value": f"P{number}", "authority": "DME"}],
        },
        "equipment": [{"id": {"code": "MR7", "text": "Salle 7"}}],
        "services": [{"service": {"code": "IRM", "text": "IRM"}, "start": start}],
        "message": {"sentAt": moment(minute), "controlId": f"S{minute}"},
    }


def history(seed: int, length: int = 40) -> list[Event]:
    """Return events of a few orders and patients, in the order in which they were said; the same for a seed."""
    dice = random.Random(seed)
    events: list[Event] = []
    for minute in range(length):
        number, roll = str(dice.randrange(6)), dice.random()
        if roll < 0.15:
            former, present = dice.sample(range(5), 2)
            events.append(merge(f"PAT{former}", f"PAT{present}", minute))
        elif roll < 0.3:
            start = f"2026-11-{dice.randrange(3, 20):02}T10:00:00-05:00"
            events.append(
                appointment(number, start, minute, kind=dice.choice(["booked", "moved", "cancelled"]))
            )
        else:
            control = dice.choice(_CONTROLS)
            kind = (
                "order-cancelled" if control in ("cancellation-wanted", "discontinued") else "order-modified"
            )
            when = dice.choice([None, f"2026-11-{dice.randrange(3, 20):02}T09:00:00-05:00"])
            patient = f"PAT{dice.randrange(5)}"
            data = order(number, control=control, at=moment(minute), start=when, patient=patient)
            if dice.random() < 0.3:
                del data["orders"][0]["imaging"]
            events.append((kind, data))
    return events


async def deliver(store: Store, worklists: StoredWorklists, event: Event) -> int:
    """Accept an event, deliver it to the worklist as the engine does, and settle; return the delivery."""
    kind, data = event
    document = _document(kind, data)
    accepted = await store.accept(
        acceptance(
            duty(chain=(Hop(FEED),), kind=kind),
            of=message(body=document),
            renderings=[Rendering("rendered", Body.of(document), "application/cloudevents+json")],
        )
    )
    [delivery] = accepted.ready
    told = Told(document, kind, delivery.sequence, accepted.message_id, HOUSE, MONTH_MS)
    await worklists.learn("ris", told)
    await store.settle(settled(delivery, State.DELIVERED))
    return delivery.sequence


def _document(kind: str, data: Mapping[str, Any]) -> bytes:
    return json.dumps({"specversion": "1.0", "type": kind, "data": data}, ensure_ascii=False).encode()


def performed(uid: str, revision: int, state: str, study: str, step: str) -> Performed:
    """Return a performed step as a modality says it."""
    scheduled = {
        "0020000D": {"vr": "UI", "Value": [study]},
        "00400009": {"vr": "SH", "Value": [step]},
    }
    attributes = {
        "00400252": {"vr": "CS", "Value": [state]},
        "00400270": {"vr": "SQ", "Value": [scheduled]},
    }
    return Performed(uid, revision, attributes)


async def shown(store: Store) -> list[tuple[str, ...]]:
    """Return all steps, without what differs from one building to the next."""
    rows = await store.worklists.steps("ris", EVERYTHING, limit=10_000)
    return sorted((row.state, row.day, row.moment, row.modality, row.station, row.content) for row in rows)
