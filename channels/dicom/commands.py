"""Reads command sets: what a sender asks for, in the few elements that a storage service needs.

Source: DICOM PS3.7 6.3.1 (structure), 9.3.1 and 9.3.5 (C-STORE, C-ECHO), annex E.1 (elements).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import unpack_from
from typing import Final

from channels.dicom.guard import INVALID, BrokenPdu

C_STORE_RQ: Final = 0x0001
C_ECHO_RQ: Final = 0x0030
C_CANCEL_RQ: Final = 0x0FFF
COMMAND_BYTES: Final = 16 * 1024
_NO_DATA_SET: Final = 0x0101
_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
_UID_MAX: Final = 64
_CLASS, _FIELD, _MESSAGE_ID, _DATA_SET_TYPE, _INSTANCE = 0x0002, 0x0100, 0x0110, 0x0800, 0x1000


@dataclass(frozen=True, slots=True)
class Command:
    """One request; UIDs are as they came, without padding: `is_uid` says whether they are any."""

    field: int
    message_id: int
    sop_class: str
    sop_instance: str
    has_data: bool


def is_uid(text: str) -> bool:
    """Tell whether text is a UID (PS3.5 9.1)."""
    return len(text) <= _UID_MAX and _UID.fullmatch(text) is not None


def read_command(data: bytes | bytearray) -> Command:
    """Read a command set, implicit VR little endian; BrokenPdu where it is none."""
    elements = _elements(data)
    field = _number(elements, _FIELD)
    if field is None:
        raise BrokenPdu("a command set that does not say what is asked", reason=INVALID)
    return Command(
        field=field,
        message_id=_number(elements, _MESSAGE_ID) or 0,
        sop_class=_text(elements.get(_CLASS, b"")),
        sop_instance=_text(elements.get(_INSTANCE, b"")),
        has_data=_number(elements, _DATA_SET_TYPE) not in (None, _NO_DATA_SET),
    )


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < 8:
            raise BrokenPdu("a command element without its head")
        group, element, length = unpack_from("<HHL", data, at)
        if group != 0 or length > end - at - 8:
            raise BrokenPdu("a command element of another group, or longer than its set")
        found[element] = bytes(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def _number(elements: dict[int, bytes], element: int) -> int | None:
    value = elements.get(element, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else None


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \x00")
