"""One part of a STOW-RS request while it arrives: its head is read and made ours, the data set goes to a spool.

Source: DICOM PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Final

from channels._dicom.answering import CANNOT_UNDERSTAND, OUT_OF_RESOURCES
from channels._dicom.part10 import META_BYTES, InstanceHead, read_head
from channels._dicom.receiving import CONTENT_TYPE, KEPT_OF_TOO_LARGE, Spool, file_meta
from engine.codecs.dicom.searching import instance_of
from engine.errors import MalformedMessage, Rejected, Transient
from engine.model import Body, Gathering, Instance

_PREFIX_END: Final = 132
_META_AT: Final = 144
_ELEMENT: Final = 8


@dataclass(frozen=True, slots=True)
class Arrived:
    """One part, complete; `head` is None where it is no Part 10 file. `fault` and `why` are what is wrong with it.

    `body` is None where there is nothing to hand in; `fault` is then its failure reason. `says` is what the instance
    says of itself, None where nobody can read it.
    """

    body: Body | None
    head: InstanceHead | None
    spool: Spool | None
    fault: int = 0
    why: str = ""
    says: Instance | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may bring: the largest instance in bytes, and how many; `gathering` says whether they are told
    of as a whole."""

    instance_bytes: int
    instances: int
    gathering: Gathering | None = None


def _head_bytes(first: bytearray) -> int:
    """Return how many bytes of a file hold its head and the first element's, as far as that is known yet (PS3.10 7.1).

    Raises:
        Rejected: it begins otherwise than a Part 10 file does.
    """
    if len(first) < _META_AT:
        return _META_AT
    group, element, kind, size, length = unpack_from("<HH2sHL", first, _PREFIX_END)
    said = (group, element, kind, size) == (2, 0, b"UL", 4) and length <= META_BYTES
    if first[_PREFIX_END - 4 : _PREFIX_END] != b"DICM" or not said:
        raise Rejected("it does not begin as a DICOM file does (PS3.10)", code="no_instance")
    return _META_AT + int(length) + _ELEMENT


class Incoming:
    """One part while it arrives; used in one thread at a time."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._path = path
        self._largest = bounds.instance_bytes
        self._gathering = bounds.gathering
        self._first = bytearray()
        self._head: InstanceHead | None = None
        self._spool: Spool | None = None
        self._beginning: bytes | None = None
        self._fault = 0
        self._why = ""

    def write(self, data: bytes) -> None:
        if self._fault:
            return
        if self._spool is not None:
            self._put(data)
            return
        self._first += data
        self._look(whole=False)

    def finish(self) -> Arrived:
        if not self._fault and self._spool is None:
            self._look(whole=True)
        try:
            if self._spool is not None:
                body = self._spool.finish()
                return Arrived(body, self._head, self._spool, says=self._says(body))
        except OSError:
            self._fail(OUT_OF_RESOURCES, "the disk does not take it")
        body_kept = None if self._beginning is None else Body.of(self._beginning, CONTENT_TYPE)
        return Arrived(body_kept, self._head, None, self._fault, self._why)

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()

    def _says(self, body: Body) -> Instance | None:
        """Return what the instance says of itself; one that cannot be read is a message like any other."""
        assert self._head is not None
        content = body.path if body.data is None else body.data
        assert content is not None, "a body has bytes or a path"
        try:
            return instance_of(content, uid=self._head.sop_instance, gathering=self._gathering)
        except (MalformedMessage, Transient):
            return None

    def _look(self, *, whole: bool) -> None:
        """Read the head once it is here, and go on with a head of our own: the same instance gives the same bytes."""
        try:
            end = _head_bytes(self._first)
            if len(self._first) < end and not whole:
                return
            head = read_head(bytes(self._first[:end]))
        except Rejected as error:
            self._beginning = bytes(self._first[:KEPT_OF_TOO_LARGE])
            self._fault, self._why = CANNOT_UNDERSTAND, str(error)
            return
        self._head = head
        self._spool = Spool(self._path, file_meta(head.sop_class, head.sop_instance, head.transfer_syntax))
        rest = bytes(self._first[head.offset :])
        self._first.clear()
        if rest:
            self._put(rest)

    def _put(self, data: bytes) -> None:
        assert self._spool is not None
        try:
            self._spool.write(data)
            if self._spool.size > self._largest:
                self._beginning = self._spool.beginning().read()
                self._fail(CANNOT_UNDERSTAND, f"it is larger than the {self._largest} bytes taken here")
        except OSError:
            self._fail(OUT_OF_RESOURCES, "the disk does not take it")

    def _fail(self, fault: int, why: str) -> None:
        if self._spool is not None:
            self._spool.discard()
            self._spool = None
        self._fault, self._why = fault, why
