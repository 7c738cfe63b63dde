"""Command sets: what a peer asks for or answers, read and written as elements of group 0000.

Source: DICOM PS3.7 6.3.1 (structure), 9.3 and 10.3 (DIMSE-C, DIMSE-N), annex E.1 (elements).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from struct import pack, unpack_from
from typing import Final

from channels._dicom.guard import INVALID, BrokenPdu

C_STORE_RQ: Final = 0x0001
C_GET_RQ: Final = 0x0010
C_FIND_RQ: Final = 0x0020
C_MOVE_RQ: Final = 0x0021
C_ECHO_RQ: Final = 0x0030
C_CANCEL_RQ: Final = 0x0FFF
N_EVENT_REPORT_RQ: Final = 0x0100
N_GET_RQ: Final = 0x0110
N_SET_RQ: Final = 0x0120
N_ACTION_RQ: Final = 0x0130
N_CREATE_RQ: Final = 0x0140
N_DELETE_RQ: Final = 0x0150
RESPONSE: Final = 0x8000
"""The bit that makes a command field that of the response."""

CANCELLABLE: Final = frozenset({C_GET_RQ, C_FIND_RQ, C_MOVE_RQ})
COMMAND_BYTES: Final = 16 * 1024
_NO_DATA_SET: Final = 0x0101
_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
_UID_MAX: Final = 64
_CLASS, _REQUESTED_CLASS, _FIELD, _MESSAGE_ID, _RESPONDED_TO = 0x0002, 0x0003, 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _COMMENT, _INSTANCE, _REQUESTED_INSTANCE = 0x0800, 0x0900, 0x0902, 0x1000, 0x1001
_COMMENT_MAX: Final = 64
EVENT_TYPE: Final = 0x1002
ACTION_TYPE: Final = 0x1008


@dataclass(frozen=True, slots=True)
class Command:
    """One request or response; UIDs are as they came, without padding: `is_uid` says whether they are any.

    `sop_class` and `sop_instance` are the affected ones, or the requested ones where a request has these. `elements`
    holds every value as it came, by its element number in group 0000.
    """

    field: int
    message_id: int
    sop_class: str
    sop_instance: str
    has_data: bool
    elements: Mapping[int, bytes] = dataclass_field(default_factory=dict, compare=False)

    def number(self, element: int) -> int | None:
        """Return an element of VR US, None where it is absent or no number."""
        return _number(self.elements, element)

    def text(self, element: int) -> str:
        """Return an element as text without padding, "" where it is absent."""
        return _text(self.elements.get(element, b""))


def is_uid(text: str) -> bool:
    """Tell whether text is a UID (PS3.5 9.1)."""
    return len(text) <= _UID_MAX and _UID.fullmatch(text) is not None


def read_command(data: bytes | bytearray) -> Command:
    """Read a command set, implicit VR little endian; BrokenPdu where it is none."""
    elements = _elements(data)
    field = _number(elements, _FIELD)
    if field is None:
        raise BrokenPdu("a command set that does not say what is asked", reason=INVALID)
    is_response = bool(field & RESPONSE)
    return Command(
        field=field,
        message_id=_number(elements, _RESPONDED_TO if is_response else _MESSAGE_ID) or 0,
        sop_class=_text(elements.get(_CLASS) or elements.get(_REQUESTED_CLASS, b"")),
        sop_instance=_text(elements.get(_INSTANCE) or elements.get(_REQUESTED_INSTANCE, b"")),
        has_data=_number(elements, _DATA_SET_TYPE) not in (None, _NO_DATA_SET),
        elements=elements,
    )


def number(value: int) -> bytes:
    """Return the value of an element of VR US."""
    return pack("<H", value)


def response_to(
    command: Command,
    status: int,
    *,
    comment: str = "",
    has_data: bool = False,
    elements: Mapping[int, bytes] | None = None,
) -> bytes:
    """Return the encoded command set of a response; `comment` is cut to 64 characters of ASCII (0000,0902)."""
    said = {
        _FIELD: number(command.field | RESPONSE),
        _RESPONDED_TO: number(command.message_id),
        _DATA_SET_TYPE: number(0x0001 if has_data else _NO_DATA_SET),
        _STATUS: number(status),
        **(elements or {}),
    }
    if is_uid(command.sop_class):
        said.setdefault(_CLASS, command.sop_class.encode())
    if is_uid(command.sop_instance):
        said.setdefault(_INSTANCE, command.sop_instance.encode())
    if comment:
        said[_COMMENT] = _ascii(comment)
    return write_command(said)


def event_report(message_id: int, sop_class: str, sop_instance: str, event_type: int) -> bytes:
    """Return the encoded command set of an N-EVENT-REPORT request that brings a data set (PS3.7 10.3.1)."""
    return write_command(
        {
            _CLASS: sop_class.encode(),
            _FIELD: number(N_EVENT_REPORT_RQ),
            _MESSAGE_ID: number(message_id),
            _DATA_SET_TYPE: number(0x0001),
            _INSTANCE: sop_instance.encode(),
            EVENT_TYPE: number(event_type),
        }
    )


def write_command(elements: Mapping[int, bytes]) -> bytes:
    """Encode a command set, implicit VR little endian, with its group length; values of odd length are padded."""
    parts = []
    for element in sorted(elements):
        value = elements[element]
        if len(value) % 2:
            value += b" " if element == _COMMENT else b"\x00"
        parts.append(pack("<HHL", 0, element, len(value)) + value)
    body = b"".join(parts)
    return pack("<HHLL", 0, 0, 4, len(body)) + body


def _ascii(comment: str) -> bytes:
    plain = "".join(
        character if " " <= character <= "~" and character != "\\" else "?" for character in comment
    )
    return plain[:_COMMENT_MAX].rstrip().encode()


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < 8:
            raise BrokenPdu("a command element without its head")
        group, element, length = unpack_from("<HHL", data, at)
        if length > end - at - 8:
            raise BrokenPdu("a command element that is longer than its set")
        if group == 0:  # Orthanc 1.10 puts what failed of a C-GET (0008,0058) here instead of into a data set
            found[element] = bytes(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def _number(elements: Mapping[int, bytes], element: int) -> int | None:
    value = elements.get(element, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else None


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \x00")
