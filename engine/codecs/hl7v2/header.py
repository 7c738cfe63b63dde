"""The first segment alone: what an acknowledgement, a dedup key and a routing table need, without reading the rest."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.codecs.hl7v2.delimiters import Delimiters, delimiters_of
from engine.codecs.hl7v2.reading import MSH_18, first_line, header_delimiters
from engine.errors import MalformedMessage

_FIELDS: Final = 20
_EMPTY: Final = [""] * _FIELDS
_USUAL: Final = b"MSH|^~\\&|"
_USUAL_DELIMITERS: Final = delimiters_of("|", "^~\\&")
_NEW: Final = tuple.__new__


class Header(NamedTuple):
    """MSH as the sender wrote it. Every property is raw text, escapes undecoded, "" where it is absent.

    `fields[n - 1]` is MSH-n; there are always at least 20. `codec` is Python's name of the character set that MSH
    was read in, "" for ASCII.
    """

    fields: list[str]
    marks: Delimiters
    codec: str

    @property
    def sending_application(self) -> str:
        """MSH-3.1."""
        return self.fields[2].partition(self.marks.component)[0]

    @property
    def sending_facility(self) -> str:
        """MSH-4.1."""
        return self.fields[3].partition(self.marks.component)[0]

    @property
    def type(self) -> str:
        """MSH-9.1, such as `ADT`."""
        return self.fields[8].partition(self.marks.component)[0]

    @property
    def event(self) -> str:
        """MSH-9.2, such as `A01`."""
        return [*self.fields[8].split(self.marks.component, 2), ""][1]

    @property
    def control_id(self) -> str:
        """MSH-10, whole."""
        return self.fields[9]

    @property
    def processing(self) -> str:
        """MSH-11.1: P production, T training, D debugging."""
        return self.fields[10].partition(self.marks.component)[0]

    @property
    def version(self) -> str:
        """MSH-12.1, such as `2.5.1`."""
        return self.fields[11].partition(self.marks.component)[0].strip()

    @property
    def sequence(self) -> str:
        """MSH-13, of the sequence number protocol."""
        return self.fields[12]

    @property
    def accept_acknowledgement(self) -> str:
        """MSH-15: AL, NE, ER or SU; "" together with MSH-16 means the original mode."""
        return self.fields[14]

    @property
    def application_acknowledgement(self) -> str:
        """MSH-16: AL, NE, ER or SU."""
        return self.fields[15]

    @property
    def charset(self) -> str:
        """MSH-18, with its repetitions."""
        return self.fields[MSH_18]


def header(data: bytes, charset: str = "") -> Header:
    """Read MSH; `charset` is what the listener declares.

    Raises:
        MalformedMessage: the bytes do not begin with MSH and a field separator; `position` is the byte offset.
    """
    if data.startswith(_USUAL):
        end = data.find(b"\r")
        line = data[:end] if end >= 0 else data
        if line.isascii() and b"\n" not in line and b"\x1b" not in line:
            return _made(line.decode("ascii").split("|"), _USUAL_DELIMITERS, "")
    return _read(data, charset)


def _read(data: bytes, charset: str) -> Header:
    line, codec, offset = first_line(data, charset)
    fields = line.split(line[3:4] or "|")
    if fields[0] != "MSH":
        raise MalformedMessage("the message does not begin with MSH", position=offset, path="MSH")
    marks = header_delimiters(line, fields, offset)
    return _made(fields, marks, codec)


def _made(fields: list[str], marks: Delimiters, codec: str) -> Header:
    if len(fields) < _FIELDS:
        fields += _EMPTY[len(fields) :]
    return _NEW(Header, (fields, marks, codec))  # half the time of Header(...)


def unknown_header() -> Header:
    """Return the header to answer with where the sender's own cannot be read."""
    return Header(["MSH", "^~\\&", *[""] * (_FIELDS - 2)], delimiters_of("|", "^~\\&"), "")
