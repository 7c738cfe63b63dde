"""Judges PDUs by the bytes that really came, before the library above allocates or decodes anything.

Pure functions: nothing here reads a socket. Source: DICOM PS3.8 9.3 (structures), 9.3.8 (reasons of an A-ABORT),
annex D (user information).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from
from typing import Final

HEAD: Final = 6
"""Bytes that every PDU begins with: type, reserved, length of the rest (PS3.8 9.3.1)."""

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
ACCEPTOR: Final = frozenset({ASSOCIATE_RQ, DATA, RELEASE_RQ, RELEASE_RP, ABORT})
"""What may be sent to the side that was called."""

REQUESTOR: Final = frozenset({ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT})
"""What may be sent to the side that called."""

UNRECOGNIZED, UNEXPECTED, UNEXPECTED_PARAMETER, INVALID = 1, 2, 5, 6
"""Reasons of the service provider's A-ABORT (PS3.8 table 9-26)."""

Pdu = bytes | bytearray | memoryview
"""A whole PDU."""

_FIXED: Final = 4
_ASSOCIATE_BYTES: Final = 256 * 1024
_ITEMS_AT: Final = 74
_CONTEXTS: Final = 128
_SYNTAXES: Final = 64
_NEGOTIATIONS: Final = 384
_UID_BYTES: Final = 65  # 64, and the NUL that some peers pad with (PS3.5 9.1)
_VALUES: Final = 512
_LEAST_MAXIMUM: Final = 128
_APPLICATION, _PRESENTATION_RQ, _PRESENTATION_AC, _USER = 0x10, 0x20, 0x21, 0x50
_ABSTRACT, _TRANSFER, _MAXIMUM_LENGTH = 0x30, 0x40, 0x51


class BrokenPdu(ConnectionError):
    """The peer does not keep to the protocol: the association is aborted with `reason`.

    `event` is what is counted; the text holds nothing of what was sent.
    """

    def __init__(self, text: str, *, reason: int = INVALID, event: str = "broken_pdu") -> None:
        super().__init__(text)
        self.reason = reason
        self.event = event


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a peer may send: `data_bytes` is the longest P-DATA-TF in bytes, as it was announced to the peer."""

    data_bytes: int
    expected: frozenset[int] = ACCEPTOR


def length_of(head: bytes | bytearray, bounds: Bounds) -> int:
    """Return how many bytes follow the first six of a PDU; BrokenPdu where they are too many or none of this side's."""
    kind, length = unpack_from(">BxL", head)
    if not ASSOCIATE_RQ <= kind <= ABORT:
        raise BrokenPdu("a PDU of an unknown type", reason=UNRECOGNIZED)
    if kind not in bounds.expected:
        raise BrokenPdu("a PDU that this side does not expect", reason=UNEXPECTED)
    if kind == DATA:
        most = bounds.data_bytes + HEAD  # some peers leave the head out of what they were told
    else:
        most = _ASSOCIATE_BYTES if kind in (ASSOCIATE_RQ, ASSOCIATE_AC) else _FIXED
    if length > most:
        raise BrokenPdu(f"a PDU of more than {most} bytes", event="long_pdu")
    if kind not in (ASSOCIATE_RQ, ASSOCIATE_AC, DATA) and length != _FIXED:
        raise BrokenPdu("a PDU of a fixed length has another")
    return int(length)


def check(pdu: Pdu) -> None:
    """Raise BrokenPdu where what a whole PDU holds is longer than it, too much, or out of place."""
    kind = pdu[0]
    if kind == DATA:
        _check_values(pdu)
    elif kind in (ASSOCIATE_RQ, ASSOCIATE_AC):
        _check_association(pdu)


def values_of(pdu: Pdu) -> Iterator[tuple[int, int, memoryview]]:
    """Give context, control and fragment of each value of a P-DATA-TF that was checked (PS3.8 9.3.5.1, annex E.2)."""
    whole = memoryview(pdu)
    at = HEAD
    while at < len(whole):
        length, context_id, control = unpack_from(">LBB", whole, at)
        yield context_id, control, whole[at + 6 : at + 4 + length]
        at += 4 + length


def abort_pdu(reason: int) -> bytes:
    """Return the service provider's A-ABORT (PS3.8 9.3.8)."""
    return bytes((ABORT, 0, 0, 0, 0, 4, 0, 0, 2, reason))


def _check_values(pdu: Pdu) -> None:
    """Walk the presentation data values; each has a length, an odd context id and a control byte (PS3.8 9.3.5.1)."""
    at, end, values = HEAD, len(pdu), 0
    while at < end:
        if end - at < 6:
            raise BrokenPdu("a presentation data value without its head")
        length, context = unpack_from(">LB", pdu, at)
        if length < 2 or length > end - at - 4:
            raise BrokenPdu("a presentation data value that is longer than its PDU, or empty")
        if not context & 1:
            raise BrokenPdu("a presentation context with an even id", reason=UNEXPECTED_PARAMETER)
        values += 1
        if values > _VALUES:
            raise BrokenPdu(f"more than {_VALUES} presentation data values in one PDU", event="many_items")
        at += 4 + int(length)
    if not values:
        raise BrokenPdu("a P-DATA-TF without a value")


def _check_association(pdu: Pdu) -> None:
    if len(pdu) < _ITEMS_AT:
        raise BrokenPdu("an association request that ends before its items")
    contexts = 0
    seen: set[int] = set()
    for kind, start, stop in _items(pdu, _ITEMS_AT, len(pdu)):
        if kind in (_PRESENTATION_RQ, _PRESENTATION_AC):
            contexts += 1
            if contexts > _CONTEXTS:
                raise BrokenPdu(f"more than {_CONTEXTS} presentation contexts", event="many_items")
            _check_context(pdu, start, stop)
        elif kind in (_APPLICATION, _USER):
            if kind in seen:
                raise BrokenPdu("an item twice of which there is one", reason=UNEXPECTED_PARAMETER)
            seen.add(kind)
            if kind == _USER:
                _check_user(pdu, start, stop)
            else:
                _check_uid(start, stop)
        else:
            raise BrokenPdu("an item of an unknown type", reason=UNEXPECTED_PARAMETER)


def _check_context(pdu: Pdu, start: int, stop: int) -> None:
    if stop - start < 4 or not pdu[start] & 1:
        raise BrokenPdu("a presentation context without an odd id", reason=UNEXPECTED_PARAMETER)
    abstract = transfer = 0
    for kind, first, last in _items(pdu, start + 4, stop):
        _check_uid(first, last)
        abstract += kind == _ABSTRACT
        transfer += kind == _TRANSFER
        if kind not in (_ABSTRACT, _TRANSFER) or abstract > 1:
            raise BrokenPdu("a presentation context of other items", reason=UNEXPECTED_PARAMETER)
        if transfer > _SYNTAXES:
            raise BrokenPdu(f"more than {_SYNTAXES} transfer syntaxes in one context", event="many_items")
    if pdu[0] == ASSOCIATE_RQ and (not abstract or not transfer):
        raise BrokenPdu("a presentation context without syntaxes", reason=UNEXPECTED_PARAMETER)


def _check_user(pdu: Pdu, start: int, stop: int) -> None:
    for negotiations, (kind, first, last) in enumerate(_items(pdu, start, stop), start=1):
        if negotiations > _NEGOTIATIONS:
            raise BrokenPdu(f"more than {_NEGOTIATIONS} items of user information", event="many_items")
        if kind == _MAXIMUM_LENGTH:
            if last - first != 4:
                raise BrokenPdu("a maximum length that is no number of four bytes")
            # pynetdicom 3.0.4 divides by this minus six when it cuts an answer into pieces
            if 0 < unpack_from(">L", pdu, first)[0] < _LEAST_MAXIMUM:
                raise BrokenPdu(f"the peer takes PDUs of less than {_LEAST_MAXIMUM} bytes only")


def _check_uid(start: int, stop: int) -> None:
    if not 0 < stop - start <= _UID_BYTES:
        raise BrokenPdu("a UID that is empty or longer than 64 characters")


def _items(pdu: Pdu, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give type, start and stop of each item between two offsets (PS3.8 9.3.2)."""
    while at < end:
        if end - at < 4:
            raise BrokenPdu("an item without its head")
        kind, length = unpack_from(">BxH", pdu, at)
        if length > end - at - 4:
            raise BrokenPdu("an item that is longer than what it stands in")
        yield kind, at + 4, at + 4 + length
        at += 4 + length
