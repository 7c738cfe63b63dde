"""Scheduled procedure steps as a modality is answered: an order's facts in the DICOM JSON model, local days and times.

Source: DICOM PS3.4 table K.6-1 (attributes of a modality worklist), PS3.3 C.4.10 to C.4.17, PS3.18 F.2 (JSON model).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.codecs.dicom.matching import folded as folded_name
from engine.runtime.worklists.folding import Facts, Order, folded
from engine.store.scheduling import StepRow, Story

SCHEDULED, STARTED = "SCHEDULED", "STARTED"
_VISIBLE = frozenset({SCHEDULED, STARTED})
_STATES = {"cancelled": "CANCELLED", "discontinued": "DISCONTINUED", "held": "HELD", "completed": "COMPLETED"}
_SYSTEMS = {
    "loinc": "LN",
    "snomed": "SCT",
    "snomed-ct": "SCT",
    "local": "L",
    "icd-10": "I10",
    "icd-10-ca": "I10C",
}
_WRONG_ENTRY = "110514"
"""Incorrect worklist entry selected (PS3.16 CID 9300): the step waits for its own patient."""

_MOST_STEPS = 64
_NAMESPACE = uuid.UUID("5a2f5f0e-6c1b-5d0c-9d52-7c1f6a3f9b11")

Element = dict[str, Any]
Item = dict[str, Element]


def steps_of(story: Story) -> list[StepRow]:
    """Return the steps that follow from a story, those that are not to be performed any more among them."""
    if not story.orders:
        return []
    order = folded(story)
    wanted = order.order
    steps = order.steps if order.steps is not None else [{"start": wanted.get("issuedAt")}]
    procedure = (
        wanted.get("procedureId") or wanted.get("filler") or wanted.get("accession") or wanted.get("placer")
    )
    rows = []
    for number, step in enumerate(steps[:_MOST_STEPS], start=1):
        merged = {
            "procedureId": procedure or f"P{_own(order).hex[:12].upper()}",
            "accession": wanted.get("accession") or wanted.get("filler") or wanted.get("placer") or "",
            "study": wanted.get("study") or f"2.25.{_own(order).int}",
            **{name: value for name, value in step.items() if value not in (None, "", [])},
        }
        merged.setdefault("stepId", _step_id(wanted, merged, number, len(steps)))
        rows.append(_row(order, merged, number, story))
    return rows


def _step_id(wanted: Facts, step: Facts, number: int, count: int) -> str:
    own = wanted.get("stepId") or step["procedureId"]
    return str(own) if count == 1 else f"{own}.{number}"


def _own(order: Order) -> uuid.UUID:
    """Return an id for an order that brought none, the same whenever it is made, for a UID too (PS3.5 B.2)."""
    return uuid.uuid5(_NAMESPACE, min(order.known, default=""))


def _row(order: Order, step: Facts, number: int, story: Story) -> StepRow:
    house = order.house
    day, moment = local(step.get("start"), house.get("zone", "UTC"), otherwise_ms=order.first_ms)
    step["stations"] = step.get("stations") or _listed(order.order.get("station") or house.get("station"))
    step["modality"] = step.get("modality") or order.order.get("modality") or house.get("modality") or ""
    state = _STATES.get(order.state) or _performed(story, step)
    content = _attributes(order, step, (day, moment), state)
    ids = order.patient.get("ids") or [["", ""]]
    return StepRow(
        number,
        state,
        state in _VISIBLE,
        day,
        moment,
        step["modality"],
        "\\".join(step["stations"]),
        ids[0][0],
        str(step["accession"]),
        str(step["study"]),
        _searched(order.patient.get("name")),
        json.dumps(content, ensure_ascii=False, separators=(",", ":")),
    )


def _searched(name: str | None) -> str:
    """Return what a name is searched by: all its writings, each between equals signs."""
    return f"={'='.join(folded_name(group) for group in name.split('='))}=" if name else ""


def _performed(story: Story, step: Facts) -> str:
    """Return how far a step is: of several that perform it one that goes on counts, then one that is complete."""
    states = set()
    for text in story.performed(str(step["study"])):
        said = json.loads(text)
        if [str(step["study"]), str(step["stepId"])] in said["steps"]:
            states.add(SCHEDULED if said["reason"] == _WRONG_ENTRY else said["state"])
    order = {"IN PROGRESS": STARTED, "COMPLETED": "COMPLETED", "DISCONTINUED": "DISCONTINUED"}
    return next((state for said, state in order.items() if said in states), SCHEDULED)


def local(moment: str | None, zone: str, *, otherwise_ms: int) -> tuple[str, str]:
    """Return the day (YYYYMMDD) and time (HHMMSS, "" where none is said) of a moment as a house's clocks show it."""
    if moment and len(moment) == 10:
        return moment.replace("-", ""), ""
    try:
        found = datetime.fromisoformat(moment) if moment else datetime.fromtimestamp(otherwise_ms / 1000, UTC)
    except ValueError:
        digits = "".join(character for character in moment or "" if character.isdigit())
        return digits[:8].ljust(8, "0"), digits[8:14]
    if found.tzinfo is not None:
        found = found.astimezone(zone_of(zone))
    return found.strftime("%Y%m%d"), found.strftime("%H%M%S")


@lru_cache(maxsize=32)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone, UTC where there is none of that name."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return ZoneInfo("UTC")


# --------------------------------------------------------------------------- the answer


def _attributes(order: Order, step: Facts, start: tuple[str, str], state: str) -> Item:
    wanted, visit = order.order, order.visit
    item: Item = {}
    _put(item, "00080050", "SH", step["accession"])
    _put(item, "00080090", "PN", wanted.get("referrer"))
    _sequence(item, "00081110", [])
    _sequence(item, "00081120", [])
    _patient(item, order.patient, wanted)
    _put(item, "0020000D", "UI", step["study"])
    _put(item, "00321032", "PN", wanted.get("requester"))
    _put(item, "00321033", "LO", wanted.get("requestingService"))
    _put(item, "00321060", "LO", _meaning(wanted.get("procedure")))
    _codes(item, "00321064", [wanted["procedure"]] if wanted.get("procedure") else [])
    _put(item, "00380010", "LO", visit.get("admission"))
    _put(item, "00380300", "LO", visit.get("location"))
    _put(item, "00380400", "LO", visit.get("facility"))
    _sequence(item, "00400100", [_step(wanted, step, start, state, order.house)])
    _put(item, "00401001", "SH", step["procedureId"])
    _put(item, "00401002", "LO", wanted.get("reason"))
    _put(item, "00401003", "SH", wanted.get("priority"))
    _put(item, "00401004", "LO", wanted.get("transport"))
    _put(item, "00401400", "LT", wanted.get("comments"))
    day, moment = local(wanted.get("issuedAt"), order.house.get("zone", "UTC"), otherwise_ms=order.first_ms)
    _put(item, "00402004", "DA", day)
    _put(item, "00402005", "TM", moment)
    _put(item, "00402016", "LO", wanted.get("placer"))
    _put(item, "00402017", "LO", wanted.get("filler"))
    return item


def _patient(item: Item, patient: Facts, wanted: Facts) -> None:
    ids = patient.get("ids") or [["", ""]]
    _put(item, "00100010", "PN", patient.get("name"))
    _put(item, "00100020", "LO", ids[0][0])
    _put(item, "00100021", "LO", ids[0][1])
    _put(item, "00100030", "DA", patient.get("birth"))
    _put(item, "00100040", "CS", patient.get("sex"))
    others = []
    for value, authority in ids[1:]:
        other: Item = {}
        _put(other, "00100020", "LO", value)
        _put(other, "00100021", "LO", authority)
        _put(other, "00100022", "CS", "TEXT")
        others.append(other)
    _sequence(item, "00101002", others)
    _put(item, "00101030", "DS", None)
    _put(item, "00102000", "LO", wanted.get("alerts"))
    _put(item, "00102110", "LO", None)
    _put(item, "001021C0", "US", None)
    _put(item, "00104000", "LT", patient.get("comments"))
    _put(item, "00380050", "LO", None)
    _put(item, "00380500", "LO", wanted.get("danger"))
    _put(item, "00403001", "LO", None)


def _step(wanted: Facts, step: Facts, start: tuple[str, str], state: str, house: Facts) -> Item:
    item: Item = {}
    protocols = step.get("protocols") or ([wanted["protocol"]] if wanted.get("protocol") else [])
    _put(item, "00080060", "CS", step["modality"])
    _put(item, "00321070", "LO", None)
    _put(item, "00400001", "AE", *step["stations"])
    _put(item, "00400002", "DA", start[0])
    _put(item, "00400003", "TM", start[1])
    if step.get("end"):
        day, moment = local(step["end"], house.get("zone", "UTC"), otherwise_ms=0)
        _put(item, "00400004", "DA", day)
        _put(item, "00400005", "TM", moment)
    _put(item, "00400006", "PN", step.get("performer") or wanted.get("performer"))
    _put(item, "00400007", "LO", _meaning(protocols[0] if protocols else wanted.get("procedure")))
    _codes(item, "00400008", protocols)
    _put(item, "00400009", "SH", step["stepId"])
    _put(item, "00400010", "SH", step.get("stationName"))
    _put(item, "00400011", "SH", step.get("location"))
    _put(item, "00400012", "LO", None)
    _put(item, "00400020", "CS", state if state in _VISIBLE else None)
    return item


def _meaning(code: Mapping[str, Any] | None) -> str | None:
    return (code.get("text") or code.get("code")) if code else None


def _codes(item: Item, tag: str, codes: Sequence[Mapping[str, Any] | None]) -> None:
    """Write codes; one without a code is a text, and has no item."""
    found = []
    for code in codes:
        if not code or not code.get("code"):
            continue
        each: Item = {}
        system = str(code.get("system") or "L")
        long = len(str(code["code"])) > 16  # PS3.3 8.8: such a code has an attribute of its own
        _put(each, "00080119" if long else "00080100", "UC" if long else "SH", code["code"])
        _put(each, "00080102", "SH", _SYSTEMS.get(system, system[:16]))
        _put(each, "00080104", "LO", str(code.get("text") or code["code"])[:64])
        found.append(each)
    _sequence(item, tag, found)


_LONGEST = {"LO": 64, "SH": 16, "CS": 16, "LT": 10_240}
_DESCRIPTIONS = frozenset(
    {"00321060", "00400007", "00401002", "00400011", "00400010", "00401004", "00380300"}
)
"""Words for people, cut to what their VR holds; numbers are never cut, since another number would come of it."""


def _put(item: Item, tag: str, vr: str, *values: Any) -> None:
    texts = [text for value in values if value is not None and (text := _clean(vr, str(value)))]
    if tag in _DESCRIPTIONS:
        texts = [text[: _LONGEST[vr]].rstrip() for text in texts]
    element: Element = {"vr": vr}
    if texts:
        element["Value"] = [_name(text) for text in texts] if vr == "PN" else texts
    item[tag] = element


def _clean(vr: str, text: str) -> str:
    """Return a value without what would end it: control characters, and the backslash between values."""
    kept = "\n\r\t" if vr == "LT" else ""
    return "".join(
        character if (character >= " " or character in kept) and (character != "\\" or vr == "LT") else " "
        for character in text
    ).strip()


def _name(text: str) -> dict[str, str]:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {name: group for name, group in groups if group}


def _sequence(item: Item, tag: str, items: list[Item]) -> None:
    item[tag] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _listed(value: Any) -> list[str]:
    return [str(value)] if value else []
