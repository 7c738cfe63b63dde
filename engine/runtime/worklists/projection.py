"""The engine's worklists: events and modalities feed them, modalities ask them; implements `spi.Worklists`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.clock import Clock
from engine.errors import NotFound, Rejected
from engine.model import Disposition, Fault
from engine.runtime.worklists.attributes import steps_of, zone_of
from engine.runtime.worklists.facts import APPOINTMENT_KINDS, ORDER_KINDS, order_facts
from engine.runtime.worklists.people import ids_of, patient_facts
from engine.runtime.worklists.performing import performed_of, performing
from engine.spi import Narrow, Page, Performed, Told
from engine.store.protocol import Store
from engine.store.scheduling import Said, SaidOfPatient

PATIENT_KINDS = frozenset({"patient-merged", "patient-modified", "patient-registered"})
_TAKEN = frozenset({Disposition.ACCEPTED, Disposition.FILTERED, Disposition.COLLISION})
_DAY_MS = 86_400_000


class StoredWorklists:
    """Worklists in the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._swept: dict[str, str] = {}

    async def begin(self) -> None:
        """Settle what was announced when the process ended: it counts where its message is durable."""
        for message_id, _ in await self._store.worklists.announced():
            await self.conclude(message_id, durable=await self._is_durable(message_id))

    async def learn(self, worklist: str, told: Told) -> bool:
        """Take in what an event says; see `spi.Worklists`."""
        row = await self._store.message(told.message_id)
        new = await self.take(worklist, told, row.sequence, row.received_ms)
        today = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).strftime("%Y%m%d")
        if self._swept.get(worklist) != today:
            self._swept[worklist] = today
            await self.sweep(worklist, told.keep_ms)
        return new

    async def take(
        self, worklist: str, told: Told, message: int, received_ms: int, *, building: bool = False
    ) -> bool:
        """Take in what an event says that a message brought; `building` where the worklist is made anew."""
        kind, data, written = _event(told)
        at_ms = _said_at(data, written, told.house, received_ms)
        digest = hashlib.sha256(f"{kind} {_canonical(data)}".encode()).digest()
        place = (at_ms, told.delivery, message, digest)
        if kind in PATIENT_KINDS:
            said = _of_patient(data, *place)
            return await self._store.worklists.say_of_patient(worklist, said, steps_of, building=building)
        saids = _of_orders(kind, data, told.house, *place)
        return await self._store.worklists.say(worklist, saids, steps_of, building=building)

    async def steps(self, worklist: str, narrow: Narrow, *, limit: int) -> Sequence[str]:
        rows = await self._store.worklists.steps(worklist, narrow, limit=limit)
        return [row.content for row in rows]

    async def page(self, worklist: str, narrow: Narrow, *, limit: int, after: str = "") -> Page:
        rows = await self._store.worklists.steps(worklist, narrow, limit=limit, after=after)
        return Page([row.content for row in rows], rows[-1].place if len(rows) == limit else "")

    async def performed(self, worklist: str, uid: str) -> Performed | None:
        found = await self._store.worklists.performed(worklist, uid)
        return performed_of(*found) if found is not None else None

    async def announce(self, worklist: str, performed: Performed, message_id: str) -> None:
        await self._store.worklists.announce(performing(worklist, performed, message_id))

    async def conclude(self, message_id: str, *, durable: bool) -> None:
        await self._store.worklists.conclude(message_id, steps_of, durable=durable)

    async def sweep(self, worklist: str, keep_ms: int, *, building: bool = False) -> None:
        """Forget orders whose steps are older than `keep_ms`, and what is over of patients and performed steps."""
        before_ms = self._clock.now_ms() - keep_ms
        day = (datetime.fromtimestamp(before_ms / 1000, UTC) - timedelta(days=1)).strftime("%Y%m%d")
        await self._store.rebuilding.sweep(worklist, day, before_ms - _DAY_MS, building=building)

    async def _is_durable(self, message_id: str) -> bool:
        try:
            return (await self._store.message(message_id)).disposition in _TAKEN
        except NotFound:
            return False


# --------------------------------------------------------------------------- events


def _event(told: Told) -> tuple[str, Mapping[str, Any], str]:
    """Return type, data and time of an event."""
    try:
        found = json.loads(told.document)
    except ValueError as error:
        raise Rejected("a worklist takes events in JSON", code="no_event") from error
    if isinstance(found, dict) and "specversion" in found:
        kind, data, written = str(found.get("type", "")), found.get("data"), str(found.get("time", ""))
    else:
        kind, data, written = told.kind, found, ""
    if not isinstance(data, dict) or kind not in ORDER_KINDS | APPOINTMENT_KINDS | PATIENT_KINDS:
        raise Rejected(
            "a worklist takes orders, appointments and changes of patients: choose them with `when`",
            faults=(Fault("type", "no event of a worklist", "no_event"),),
            code="no_event",
        )
    return kind, data, written


def _of_orders(
    kind: str,
    data: Mapping[str, Any],
    house: Mapping[str, str],
    at_ms: int,
    sequence: int,
    message: int,
    digest: bytes,
) -> list[Said]:
    found = order_facts(kind, data)
    if not found:
        path = "appointment.id" if kind in APPOINTMENT_KINDS else "orders[0].placerId"
        raise Rejected(
            "the event has no number to know its order by",
            faults=(Fault(path, "a number is needed", "no_number"),),
            code="no_number",
        )
    saids = []
    for number, each in enumerate(found):
        content = _canonical({**each.facts, "known": each.known, "house": dict(house)})
        patients = tuple(value for value, _ in each.facts.get("patient", {}).get("ids", ()))
        own = hashlib.sha256(digest + number.to_bytes(4, "big")).digest()
        saids.append(Said(each.known, patients, at_ms, sequence, message, own, content))
    return saids


def _of_patient(
    data: Mapping[str, Any], at_ms: int, sequence: int, message: int, digest: bytes
) -> SaidOfPatient:
    patient = patient_facts(data.get("patient") or {}, data.get("patientNotes"))
    merged = data.get("merged") or data.get("merge") or {}
    present = patient.get("ids", [])
    former = ids_of(merged.get("identifiers")) or present
    if not former or not present:
        raise Rejected(
            "the event has no id to know its patient by",
            faults=(Fault("patient.identifiers", "an id is needed", "no_number"),),
            code="no_number",
        )
    content = _canonical({"former": former, "patient": patient})
    before, now = (tuple(value for value, _ in ids) for ids in (former, present))
    return SaidOfPatient(before, now, at_ms, sequence, message, digest, content)


def _said_at(data: Mapping[str, Any], written: str, house: Mapping[str, str], received_ms: int) -> int:
    """Return when the sender said it: the message's own time, else the event's, else when it came."""
    for text in ((data.get("message") or {}).get("sentAt"), written):
        try:
            moment = datetime.fromisoformat(text) if text else None
        except (TypeError, ValueError):
            continue
        if moment is not None:
            aware = moment if moment.tzinfo else moment.replace(tzinfo=zone_of(house.get("zone", "UTC")))
            return round(aware.timestamp() * 1000)
    return received_ms


def _canonical(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
