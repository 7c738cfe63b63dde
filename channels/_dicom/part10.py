"""The head of a Part 10 file: which instance it holds, in which transfer syntax, and where its data set begins.

Source: DICOM PS3.10 7.1 (file meta information), PS3.5 7.1.2 (explicit VR).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack_from
from typing import Final

from channels._dicom.commands import is_uid
from engine.errors import Rejected
from engine.model import Body

META_BYTES: Final = 64 * 1024
"""Longest file meta information in bytes: private parts of it may be large."""

_PREFIX_AT: Final = 128
_META_AT: Final = 132
_GROUP: Final = 0x0002
_CLASS, _INSTANCE, _SYNTAX = 0x0002, 0x0003, 0x0010
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"})


@dataclass(frozen=True, slots=True)
class InstanceHead:
    """What a file says of the instance in it; the data set begins at `offset` bytes."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int


def head_of(body: Body) -> InstanceHead:
    """Read the head of an instance; blocks on the disk where the body is a file.

    Raises:
        Rejected: it is no Part 10 file, has no data set, or does not say which instance it holds.
    """
    beginning = body.data[: _META_AT + META_BYTES] if body.data is not None else b""
    if body.data is None:
        if body.path is None:
            raise ValueError("a body has neither bytes nor a path")
        with body.path.open("rb") as file:
            beginning = file.read(_META_AT + META_BYTES)
    return read_head(beginning)


def read_head(beginning: bytes) -> InstanceHead:
    """Read the head from the first bytes of a file; Rejected as `head_of`."""
    if beginning[_PREFIX_AT:_META_AT] != b"DICM":
        raise Rejected("the message is no DICOM file (PS3.10)", code="no_instance")
    found: dict[int, str] = {}
    at = _META_AT
    while at + 8 <= len(beginning):
        group, element, kind = unpack_from("<HH2s", beginning, at)
        if group != _GROUP:
            return _complete(found, at)
        if kind in _LONG:
            if at + 12 > len(beginning):
                break
            (length,) = unpack_from("<L", beginning, at + 8)
            at += 12
        else:
            (length,) = unpack_from("<H", beginning, at + 6)
            at += 8
        if element in (_CLASS, _INSTANCE, _SYNTAX):
            found[element] = beginning[at : at + length].decode("latin-1").strip(" \x00")
        at += length
    raise Rejected("the file of the instance ends before its data set", code="no_instance")


def _complete(found: dict[int, str], offset: int) -> InstanceHead:
    head = InstanceHead(found.get(_CLASS, ""), found.get(_INSTANCE, ""), found.get(_SYNTAX, ""), offset)
    if not (is_uid(head.sop_class) and is_uid(head.sop_instance) and is_uid(head.transfer_syntax)):
        raise Rejected(
            "the file meta information does not say which instance it holds, or in which syntax",
            code="no_instance",
        )
    return head
