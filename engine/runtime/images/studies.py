"""The event that tells of a study as a whole: `imaging-study-stored`, made of what its instances say of themselves.

Source: DICOM PS3.3 C.7.2.1 (general study), C.7.3.1 (general series), PS3.5 6.2 (DA, TM); CloudEvents 1.0.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from engine.store.protocol import GatheringRow, InstanceRow

KIND: Final = "imaging-study-stored"
STUDY: Final = "0020000D"
_SERIES_UID: Final = "0020000E"
_SEX: Final = {"M": "male", "F": "female", "O": "other"}
_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME: Final = re.compile(r"(\d{2}):?(?:(\d{2}):?(?:(\d{2})(\.\d{1,6})?)?)?")
_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_OFFSET: Final = re.compile(r"([+-]\d{2})(\d{2})")

Found = dict[str, Any]


def event_of(gathering: GatheringRow, rows: Sequence[InstanceRow]) -> Found:
    """Return the CloudEvent for the instances of one study, in the order in which they came.

    Its id is that of the study (of the series, where series are told of) with the version, so that whoever gets it
    twice knows it.
    """
    newest = rows[-1]
    uid = text(newest, STUDY if gathering.by == "study" else _SERIES_UID)
    return {
        "specversion": "1.0",
        "type": KIND,
        "source": f"urn:passerelle:listener:{gathering.listener}",
        "id": f"{uid}/{gathering.version + 1}",
        "time": _moment(newest.received_ms),
        "datacontenttype": "application/json",
        "data": data_of(rows, version=gathering.version + 1),
    }


def data_of(rows: Sequence[InstanceRow], *, version: int) -> Found:
    """Return the event's data; what an instance does not say is taken from the others of its study."""
    said = _together(rows)
    series = _series(rows)
    study: Found = {
        "uid": text(rows[-1], STUDY),
        "accessionNumber": _value(said, "00080050", 16),
        "accessionAuthority": _inner(said, "00080051", "00400031", 64),
        "id": _value(said, "00200010", 16),
        "description": _value(said, "00081030", 200),
        "startedAt": _started(said),
        "storedAt": _moment(max(row.received_ms for row in rows)),
        "modalities": list(dict.fromkeys(each["modality"] for each in series))[:20],
        "seriesCount": len(series),
        "instanceCount": len(rows),
        "bytes": sum(row.size for row in rows),
        "version": version,
        "series": series[:2000],
        "referrers": _people(said, "00080090"),
    }
    return {"study": _without_gaps(study), "patient": _patient(said)}


def text(row: InstanceRow, tag: str) -> str:
    """Return the first value of an attribute as text, "" where there is none."""
    return _value(row.attributes, tag) or ""


# --------------------------------------------------------------------------- parts


def _together(rows: Sequence[InstanceRow]) -> Found:
    """Return what the instances say, the newest first."""
    said: Found = {}
    for row in reversed(rows):
        for tag, attribute in row.attributes.items():
            if attribute.get("Value"):
                said.setdefault(tag, attribute)
    return said


def _series(rows: Sequence[InstanceRow]) -> list[Found]:
    by_uid: dict[str, list[InstanceRow]] = {}
    for row in rows:
        by_uid.setdefault(text(row, _SERIES_UID), []).append(row)
    return [_one_series(uid, own) for uid, own in by_uid.items()]


def _one_series(uid: str, rows: Sequence[InstanceRow]) -> Found:
    said = _together(rows)
    return _without_gaps(
        {
            "uid": uid,
            "modality": _value(said, "00080060", 16) or "OT",
            "number": _number(said, "00200011"),
            "description": _value(said, "0008103E", 200),
            "bodyPart": _value(said, "00180015", 64),
            "instanceCount": len(rows),
            "instances": [_one_instance(row) for row in rows],
        }
    )


def _one_instance(row: InstanceRow) -> Found:
    return _without_gaps(
        {
            "uid": text(row, "00080018"),
            "sopClass": _class(row),
            "number": _number(row.attributes, "00200013"),
            "sha256": row.sha256.hex(),
        }
    )


def _patient(said: Found) -> Found:
    number = _value(said, "00100020")
    identifier = _without_gaps({"value": number, "authority": _value(said, "00100021")})
    sex = _value(said, "00100040")
    return _without_gaps(
        {
            "identifiers": [identifier] if number else None,
            "names": _people(said, "00100010"),
            "birthDate": _date(_value(said, "00100030")),
            "sex": _SEX.get(sex, "unknown") if sex else None,
        }
    )


def _people(said: Found, tag: str) -> list[Found] | None:
    """Return names by their parts. Source: DICOM PS3.5 6.2 (PN: family, given, middle, prefix, suffix)."""
    found = []
    for value in said.get(tag, {}).get("Value", ()):
        written = value.get("Alphabetic", "") if isinstance(value, Mapping) else str(value or "")
        parts = [part.strip() for part in f"{written}^^^^".split("^")[:5]]
        name = dict(zip(("family", "given", "middle", "prefix", "suffix"), parts, strict=True))
        if any(parts):
            found.append({key: part for key, part in name.items() if part})
    return found or None


def _started(said: Found) -> str | None:
    """Return when the study began, as precisely as it is said, with the offset that is said."""
    day = _date(_value(said, "00080020"))
    if day is None:
        return None
    found = _TIME.fullmatch(_value(said, "00080030") or "")
    if found is None:
        return day
    hours, minutes, seconds, fraction = found.groups()
    clock = ":".join(filter(None, (hours, minutes, seconds))) + (fraction or "")
    offset = _OFFSET.fullmatch(_value(said, "00080201") or "")
    return f"{day}T{clock}" + (f"{offset[1]}:{offset[2]}" if offset else "")


def _date(value: str | None) -> str | None:
    found = _DATE.fullmatch(value or "")
    return "-".join(found.groups()) if found else None


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _value(said: Mapping[str, Any], tag: str, most: int = 1024) -> str | None:
    """Return the first value of an attribute as text; of one longer than its representation allows, the beginning."""
    values = said.get(tag, {}).get("Value") or [None]
    value = values[0]
    if isinstance(value, Mapping):
        value = value.get("Alphabetic")
    return None if value is None else str(value)[:most].strip() or None


def _inner(said: Found, sequence: str, tag: str, most: int) -> str | None:
    items = said.get(sequence, {}).get("Value") or [{}]
    return _value(items[0] or {}, tag, most)


def _class(row: InstanceRow) -> str | None:
    found = text(row, "00080016")
    return found if _UID.fullmatch(found) else None


def _number(said: Mapping[str, Any], tag: str) -> int | None:
    value = _value(said, tag)
    return int(value) if value is not None and re.fullmatch(r"-?\d{1,12}", value) else None


def _without_gaps(found: Found) -> Found:
    return {key: value for key, value in found.items() if value is not None}
