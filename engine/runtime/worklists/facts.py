"""Facts of one event in a worklist's own words: of each order its numbers, its patient, what is wanted and when.

Facts are laid over earlier ones: what is absent says nothing, None says that there is none any more. The documents are
those of the event catalogue (`mappings/events`), so that HL7 v2 and FHIR feed a worklist alike.

Source: IHE RAD TF-2 appendix B (HL7 order messages and the attributes of a worklist), DICOM PS3.3 C.4.10 - C.4.17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.runtime.worklists.people import patient_facts, person

Facts = dict[str, Any]

ORDER_KINDS = frozenset({"order-placed", "order-modified", "order-cancelled"})
APPOINTMENT_KINDS = frozenset({"appointment-booked", "appointment-modified", "appointment-cancelled"})

_STATES = {
    "cancellation-wanted": "cancelled",
    "cancelled": "cancelled",
    "cancelled-as-wanted": "cancelled",
    "discontinuation-wanted": "discontinued",
    "discontinued": "discontinued",
    "discontinued-as-wanted": "discontinued",
    "replacement-wanted": "discontinued",
    "replaced": "discontinued",
    "replaced-as-wanted": "discontinued",
    "hold-wanted": "held",
    "held": "held",
    "held-as-wanted": "held",
    "placed": "placed",
    "accepted": "placed",
    "released": "placed",
    "release-wanted": "placed",
    "released-as-wanted": "placed",
    "replacement": "placed",
    "unable-to-cancel": "placed",
    "unable-to-discontinue": "placed",
    "unable-to-hold": "placed",
}
"""What an order control means for a worklist; others leave the order as it is (HL70119)."""

_STATUSES = {
    "cancelled": "cancelled",
    "discontinued": "discontinued",
    "replaced": "discontinued",
    "error": "cancelled",
    "held": "held",
    "completed": "completed",
    "some-results": "placed",
    "in-process": "placed",
    "scheduled": "placed",
}
"""What the status of an order means (HL70038), where its control says nothing or that the status changed."""

_PRIORITIES = {"stat": "STAT", "asap": "HIGH", "timing-critical": "HIGH", "routine": "ROUTINE"}


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What one event says of one order, and the numbers by which it is known."""

    known: tuple[str, ...]
    facts: Facts


def order_facts(kind: str, data: Mapping[str, Any]) -> list[OrderFacts]:
    """Return what an order or appointment event says, an entry for each order that has a number."""
    if kind in APPOINTMENT_KINDS:
        found = [_appointment(kind, data)]
    else:
        orders = data.get("orders")
        found = [_order(each, data) for each in orders or () if isinstance(each, Mapping)]
        if kind == "order-cancelled":
            found = [OrderFacts(each.known, {"state": "cancelled", **each.facts}) for each in found]
    return [each for each in found if each.known]


# --------------------------------------------------------------------------- orders


def _order(order: Mapping[str, Any], data: Mapping[str, Any]) -> OrderFacts:
    facts: Facts = {"order": _wanted(order, data)}
    if state := _state_of(order):
        facts["state"] = state
    if steps := _steps_of(order):
        facts["steps"] = steps
    _about(facts, data)
    known = [*_numbers("placer", order.get("placerId")), *_numbers("filler", order.get("fillerId"))]
    return OrderFacts(tuple(known or _numbers("accession", facts["order"].get("accession"))), facts)


def _state_of(order: Mapping[str, Any]) -> str:
    control, status = order.get("control"), order.get("status")
    if control in _STATES:
        return _STATES[control]
    return _STATUSES.get(str(status), "")


def _wanted(order: Mapping[str, Any], data: Mapping[str, Any]) -> Facts:
    """Return what is wanted: numbers, procedure, reason, people. Only what the event says."""
    imaging = order.get("imaging") or {}
    first = (imaging.get("steps") or [{}])[0]
    facts: Facts = {}
    _put(
        facts, "accession", (first, "accession"), (imaging, "accession"), (order, "placerField"), make=_value
    )
    _put(
        facts,
        "procedureId",
        (first, "procedureId"),
        (imaging, "procedureId"),
        (order, "placerField2"),
        make=_value,
    )
    _put(facts, "stepId", (order, "fillerField"), make=_value)
    _put(facts, "study", (first, "studyUid"), (imaging, "studyUid"), make=_value)
    _put(facts, "modality", (imaging, "modality"), (order.get("report") or {}, "section"), make=_value)
    _put(facts, "station", (imaging, "stationAe"), make=_value)
    _put(facts, "placer", (order, "placerId"), make=_value)
    _put(facts, "filler", (order, "fillerId"), make=_value)
    _put(facts, "procedure", (order, "procedure"), (order, "service"), make=_code)
    _put(facts, "protocol", (order, "service"), make=_code)
    _put(facts, "priority", (order, "priority"), make=lambda value: _PRIORITIES.get(value, "MEDIUM"))
    _put(facts, "reason", (order, "reasons"), make=_first_text)
    _put(facts, "danger", (order, "danger"), make=_text)
    _put(facts, "alerts", (order, "clinicalInformation"), make=_text)
    _put(facts, "transport", (order, "transport"), make=_value)
    _put(facts, "comments", (order, "notes"), make=_texts)
    _put(facts, "requester", (order, "orderedBy"), make=person)
    _put(facts, "requestingService", (order, "enteringOrganization"), make=_text)
    _put(facts, "issuedAt", (order, "at"), make=_value)
    technicians = (order.get("report") or {}).get("technicians")
    if technicians:
        facts["performer"] = person((technicians[0] or {}).get("person"))
    visit = data.get("visit") or {}
    _put(facts, "referrer", (visit, "referring"), make=lambda people: person(people[0]) if people else None)
    return facts


def _steps_of(order: Mapping[str, Any]) -> list[Facts]:
    """Return the steps that an order says: those of IPC segments, else one where it is scheduled."""
    imaging, timing = order.get("imaging") or {}, order.get("timing") or {}
    asked = order.get("requestedAt")
    start = timing.get("start") or order.get("scheduledAt") or imaging.get("start") or asked
    written = [each for each in imaging.get("steps") or () if isinstance(each, Mapping)]
    if not written and not start:
        return []
    return [_step(each, start, timing.get("end")) for each in written or ({},)]


def _step(step: Mapping[str, Any], start: str | None, end: str | None) -> Facts:
    facts: Facts = {"start": step.get("start") or start}
    if end:
        facts["end"] = end
    for name, key in (
        ("stepId", "id"),
        ("modality", "modality"),
        ("stationName", "station"),
        ("procedureId", "procedureId"),
    ):
        _put(facts, name, (step, key), make=_value)
    stations = step.get("stationAe")
    if stations:
        facts["stations"] = [stations] if isinstance(stations, str) else [each for each in stations if each]
    _put(facts, "location", (step, "locations"), make=_first_text)
    _put(facts, "protocols", (step, "protocols"), make=lambda codes: [_code(code) for code in codes])
    _put(facts, "study", (step, "studyUid"), make=_value)
    return facts


# --------------------------------------------------------------------------- appointments


def _appointment(kind: str, data: Mapping[str, Any]) -> OrderFacts:
    said = data.get("appointment") or {}
    known = [
        *(number for each in said.get("placerOrders") or () for number in _numbers("placer", each)),
        *(number for each in said.get("fillerOrders") or () for number in _numbers("filler", each)),
        *_numbers("appointment", said.get("id")),
        *_numbers("placed appointment", said.get("placer")),
    ]
    facts: Facts = {"order": _booked(said)}
    gone = kind == "appointment-cancelled" or data.get("kind") in (
        "cancelled",
        "discontinued",
        "deleted",
        "no-show",
    )
    facts["steps"] = [] if gone else _booked_steps(said, data)
    if not gone:
        facts["state"] = "placed"
    _about(facts, data)
    return OrderFacts(tuple(known), facts)


def _booked(said: Mapping[str, Any]) -> Facts:
    imaging = said.get("imaging") or {}
    facts: Facts = {}
    for name, key in (("accession", "accession"), ("procedureId", "procedureId"), ("study", "studyUid"),
                      ("modality", "modality"), ("station", "stationAe")):  # fmt: skip
        _put(facts, name, (imaging, key), make=_value)
    _put(facts, "reason", (said, "reasonCode"), make=_text)
    for name, orders in (("placer", "placerOrders"), ("filler", "fillerOrders")):
        _put(facts, name, (said, orders), make=lambda found: _value(found[0]) if found else None)
    return facts


def _booked_steps(said: Mapping[str, Any], data: Mapping[str, Any]) -> list[Facts]:
    """Return a step for each service that is booked, at the first room, thing and person of the appointment."""
    common: Facts = {}
    equipment = _first(data.get("equipment"))
    _put(common, "stationName", (equipment, "id"), make=_text)
    if code := (equipment.get("id") or {}).get("code"):
        common["stations"] = [code]
    place = _first(data.get("locations")).get("location") or {}
    where = " ".join(str(place[part]) for part in ("unit", "room") if place.get(part))
    if where:
        common["location"] = where
    if who := _first(data.get("people")).get("person"):
        common["performer"] = person(who)
    services = [each for each in data.get("services") or () if isinstance(each, Mapping)]
    steps = []
    for service in services or [{}]:
        step = {**common, "start": service.get("start") or said.get("start"), "end": said.get("end")}
        if service.get("service"):
            step["protocols"] = [_code(service["service"])]
        imaging = service.get("imaging") or {}
        for name, key in (("stepId", "id"), ("modality", "modality")):
            _put(step, name, (imaging, key), make=_value)
        steps.append(step)
    return steps


# --------------------------------------------------------------------------- words


def _about(facts: Facts, data: Mapping[str, Any]) -> None:
    """Add whom the event is about, and the visit."""
    if data.get("patient"):
        facts["patient"] = patient_facts(data["patient"], data.get("patientNotes"))
    visit = data.get("visit") or {}
    number = visit.get("number") or (data.get("patient") or {}).get("account")
    where = visit.get("location") or {}
    found: Facts = {}
    if number:
        found["admission"] = _value(number)
    place = "^".join(str(where.get(part) or "") for part in ("unit", "room", "bed")).rstrip("^")
    if place:
        found["location"] = place
    if where.get("facility"):
        found["facility"] = where["facility"]
    if found:
        facts["visit"] = found


def _put(facts: Facts, name: str, *places: tuple[Mapping[str, Any], str], make: Callable[[Any], Any]) -> None:
    """Take a value from the first place that has one; a place that says there is none counts where no other does."""
    for holder, key in places:
        value = holder.get(key)
        if value is not None and (made := make(value)) not in (None, "", []):
            facts[name] = made
            return
    if any(key in holder for holder, key in places):
        facts[name] = None


def _numbers(use: str, found: Any) -> list[str]:
    """Return an assigned number as it is known: with whoever assigned it, so that two houses' numbers stay two."""
    if isinstance(found, Mapping):
        authority = found.get("authorityOid") or found.get("authority") or ""
        return [f"{use} {found['value']} {authority}"] if found.get("value") else []
    return [f"{use} {found}"] if found else []


def _value(found: Any) -> Any:
    return found.get("value") or found.get("code") if isinstance(found, Mapping) else found


def _code(found: Any) -> Facts | None:
    if not isinstance(found, Mapping) or not (found.get("code") or found.get("text")):
        return None
    return {key: found[key] for key in ("code", "text", "system") if found.get(key)}


def _text(found: Any) -> Any:
    if isinstance(found, Mapping):
        return found.get("text") or found.get("name") or found.get("code")
    return found


def _first(found: Iterable[Any] | None) -> Mapping[str, Any]:
    first = next(iter(found or ()), None)
    return first if isinstance(first, Mapping) else {}


def _first_text(found: Any) -> Any:
    return _text(found[0]) if isinstance(found, list) and found else None


def _texts(found: Any) -> str:
    texts = [_text(each) for each in found or () if each]
    return "\n".join(str(text) for text in texts if text)
