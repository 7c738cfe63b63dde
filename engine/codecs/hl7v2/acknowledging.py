"""Acknowledgements in the sender's own delimiters, character set and version, made from its header alone.

Source: HL7 v2.5.1 2.9.2 and 2.15.8 (MSA), 2.15.5 (ERR); v2.3.1 2.24.1.9 (MSH-9); v2.4 2.16.5 (ERR-1); v2.7 2.14.8.3
(MSA-3 withdrawn). Tables 0008 and 0357.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.codecs.hl7v2.charsets import codecs_of, transliterated
from engine.codecs.hl7v2.delimiters import NONE, Delimiters
from engine.codecs.hl7v2.escapes import Unwritable
from engine.codecs.hl7v2.header import Header
from engine.model import Fault

CONDITIONS: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""Table 0357."""
MEANT: Final = {
    "malformed": "100",
    "missing": "101",
    "invalid": "102",
    "unwritable": "102",
    "unmatched": "200",
}
"""Codes of our own faults in table 0357; any other is 102 where it names a place, else 207."""
_LOCATION: Final = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?", re.ASCII
)


def acknowledge(
    header: Header,
    code: str,
    *,
    id: str,
    now: str,
    text: str = "",
    faults: Sequence[Fault] = (),
    sequence: str = "",
) -> bytes:
    """Return an ACK: MSH with sender and receiver swapped, MSA, and ERR where there are faults.

    `code` is of table 0008 (AA AE AR CA CE CR), `id` our MSH-10, `now` our MSH-7 (see `timestamp`), `sequence` MSA-4.
    `text` and faults are free of payload; what the character set lacks in them is transliterated or left out: an
    acknowledgement never fails. Each fault's path becomes the location, its code one of table 0357.
    """
    _, encoding, app, facility, their_app, their_facility, _, _, kind, control, processing, version = (
        header.fields[:12]
    )
    marks = header.marks
    mark, component = marks.field, marks.component
    plain = version if component not in version else version.partition(component)[0]
    kind = _type(kind, component, plain)
    first = (
        "MSH",
        encoding,
        their_app,
        their_facility,
        app,
        facility,
        now,
        "",
        kind,
        id,
        processing,
        version,
    )
    end = mark + _safe(text, marks) if text and plain < "2.7" else ""
    if sequence:
        end = f"{end or mark}{mark}{sequence}"
    charset = f"{mark * 6}{header.fields[17]}" if header.fields[17] else ""
    answer = f"{mark.join(first)}{charset}\rMSA{mark}{code}{mark}{control}{end}\r"
    if faults:
        answer += _errors(faults, text, marks, plain)
    try:
        return answer.encode("ascii")
    except UnicodeEncodeError:
        return _encoded(answer, header)


def timestamp(moment: datetime) -> str:
    """Return an aware time as an HL7 time stamp with seconds and offset: `20260114093012-0500`."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def _type(kind: str, mark: str, version: str) -> str:
    """MSH-9 of the answer: its event from 2.2, its structure from 2.3.1."""
    parts = kind.split(mark, 2)
    event = parts[1] if len(parts) > 1 else ""
    if not event or version < "2.2":
        return "ACK"
    return f"ACK{mark}{event}" if version < "2.3.1" else f"ACK{mark}{event}{mark}ACK"


def _errors(faults: Sequence[Fault], text: str, marks: Delimiters, version: str) -> str:
    """ERR-1 with repetitions before 2.5, one ERR segment per fault from then on."""
    if version and version < "2.5":
        locations = [_location_and_code(fault, marks) for fault in faults]
        kept = locations if marks.repetition != NONE else locations[:1]
        return f"ERR{marks.field}{marks.repetition.join(kept)}\r"
    return "".join(_error(fault, text, marks) for fault in faults)


def _error(fault: Fault, text: str, marks: Delimiters) -> str:
    mark = marks.field
    number = condition(fault)
    said = _safe(fault.text, marks)
    code = _joined([number, CONDITIONS[number], "HL70357"], marks.component)
    user = _safe(text, marks) if text else ""
    place = _joined(_location(fault.path), marks.component)
    return f"ERR{mark * 2}{place}{mark}{code}{mark}E{mark * 3}{said}{mark}{user}".rstrip(mark) + "\r"


def _location_and_code(fault: Fault, marks: Delimiters) -> str:
    segment, sequence, field = (*_location(fault.path), "", "", "")[:3]
    number = condition(fault)
    code = _joined([number, CONDITIONS[number], "HL70357"], marks.subcomponent)
    return _joined([segment, sequence, field, code], marks.component)


def condition(fault: Fault) -> str:
    """Return the code of table 0357 for a fault."""
    if fault.code in CONDITIONS:
        return fault.code
    if fault.code == "unmatched" and fault.path.startswith("MSH-9.2"):
        return "201"
    return MEANT.get(fault.code) or ("102" if _LOCATION.fullmatch(fault.path) else "207")


def _location(path: str) -> list[str]:
    """Return segment, its sequence, field, repetition, component, subcomponent; [] where the path is no such place."""
    found = _LOCATION.fullmatch(path)
    if found is None:
        return []
    segment, sequence, field, repetition, component, subcomponent = (part or "" for part in found.groups())
    parts = [segment, sequence or "1", field, repetition or ("1" if field else ""), component, subcomponent]
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _joined(parts: list[str], mark: str) -> str:
    return parts[0] if parts and mark == NONE else mark.join(parts)


def _safe(text: str, marks: Delimiters) -> str:
    try:
        return marks.write(text)
    except Unwritable:
        return ""


def _encoded(answer: str, header: Header) -> bytes:
    name = header.charset.partition(header.marks.repetition)[0]
    codec = header.codec or next(iter(codecs_of(name)), "ascii")
    return transliterated(answer, codec, header.marks.write).encode(codec, "ignore")
