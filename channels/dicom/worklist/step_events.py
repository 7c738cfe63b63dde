"""Performed procedure steps as events: `imaging-started`, `-updated`, `-completed`, `-discontinued`.

The event says in plain words what a step is about (order, patient, modality, series), and holds all of it in the DICOM
JSON model besides, from which a worklist can be built anew.

Source: DICOM PS3.3 C.4.13 (relationship), C.4.14 (information), C.4.15 (image acquisition results); CloudEvents 1.0.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.spi import Performed

Item = Mapping[str, Any]

_KINDS: Final = {"COMPLETED": "imaging-completed", "DISCONTINUED": "imaging-discontinued"}
_SEXES: Final = {"F": "female", "M": "male", "O": "other"}
_NAME: Final = ("family", "given", "middle", "prefix", "suffix")


def event_of(performed: Performed, *, listener: str, zone: str, at_ms: int) -> bytes:
    """Return the CloudEvent that tells of a step as it is now; `zone` is where its dates and times belong."""
    kind = _KINDS.get(_text(performed.attributes, "00400252"), "")
    if not kind:
        kind = "imaging-updated" if performed.revision else "imaging-started"
    event = {
        "specversion": "1.0",
        "id": f"{performed.uid}.{performed.revision}",
        "source": f"/{listener}/mpps",
        "type": kind,
        "time": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": _data(performed, zone),
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _data(performed: Performed, zone: str) -> dict[str, Any]:
    found = performed.attributes
    step = {
        "uid": performed.uid,
        "id": _text(found, "00400253"),
        "status": _text(found, "00400252").lower().replace(" ", "-"),
        "startedAt": _moment(found, "00400244", "00400245", zone),
        "endedAt": _moment(found, "00400250", "00400251", zone),
        "modality": _text(found, "00080060"),
        "stationAe": _text(found, "00400241"),
        "station": _text(found, "00400242"),
        "location": _text(found, "00400243"),
        "description": _text(found, "00400254"),
        "discontinuedFor": _code(found, "00400281"),
    }
    data: dict[str, Any] = {"procedureStep": _said(step)}
    if patient := _patient(found):
        data["patient"] = patient
    data["orders"] = [_order(item) for item in _items(found, "00400270")]
    if series := [_series(item) for item in _items(found, "00400340")]:
        data["series"] = series
    data["dicom"] = {"uid": performed.uid, "revision": performed.revision, "attributes": found}
    return data


def _order(item: Item) -> dict[str, Any]:
    return _said(
        {
            "accession": _text(item, "00080050"),
            "study": _text(item, "0020000D"),
            "procedureId": _text(item, "00401001"),
            "stepId": _text(item, "00400009"),
            "placerId": _said({"value": _text(item, "00402016")}),
            "fillerId": _said({"value": _text(item, "00402017")}),
            "procedure": _text(item, "00321060"),
            "step": _text(item, "00400007"),
        }
    )


def _patient(found: Item) -> dict[str, Any]:
    value, issuer = _text(found, "00100020"), _text(found, "00100021")
    names = [each for each in found.get("00100010", {}).get("Value", ()) if each]
    identifier = _said({"value": value, "authority": issuer}) if value else {}
    return _said(
        {
            "identifiers": [identifier] if identifier else [],
            "names": [_said(dict(zip(_NAME, _components(name), strict=False))) for name in names],
            "birthDate": _day(_text(found, "00100030")),
            "sex": _SEXES.get(_text(found, "00100040"), ""),
        }
    )


def _series(item: Item) -> dict[str, Any]:
    images = [
        _said({"sopClass": _text(each, "00081150"), "uid": _text(each, "00081155")})
        for tag in ("00081140", "00400220")
        for each in _items(item, tag)
    ]
    return _said(
        {
            "uid": _text(item, "0020000E"),
            "description": _text(item, "0008103E"),
            "protocol": _text(item, "00181030"),
            "retrieveAe": _text(item, "00080054"),
            "images": images,
        }
    )


def _code(found: Item, tag: str) -> dict[str, Any]:
    item = next(_items(found, tag), {})
    return _said(
        {"code": _text(item, "00080100"), "text": _text(item, "00080104"), "system": _text(item, "00080102")}
    )


def _items(found: Item, tag: str) -> Iterator[Item]:
    yield from found.get(tag, {}).get("Value", ())


def _text(found: Item, tag: str) -> str:
    values = found.get(tag, {}).get("Value")
    return str(values[0]) if values and values[0] is not None else ""


def _components(name: Item) -> list[str]:
    return str(name.get("Alphabetic", "")).split("^")


def _day(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else ""


def _moment(found: Item, day_tag: str, time_tag: str, zone: str) -> str:
    """Return date and time as RFC 3339 with the offset of its zone; the day alone where there is no time."""
    day, clock = _text(found, day_tag), _text(found, time_tag).partition(".")[0].ljust(6, "0")
    if not day:
        return ""
    try:
        moment = datetime.strptime(f"{day}{clock}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        return _day(day)
    return moment.replace(tzinfo=ZoneInfo(zone)).isoformat()


def _said(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has a value."""
    return {name: value for name, value in found.items() if value not in ("", None, {}, [])}
