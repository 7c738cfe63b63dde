"""What of a message its transport needs: the header segment, also of a batch, and how many messages a frame holds."""

from __future__ import annotations

from typing import Final

from engine.codecs.hl7v2.header import Header, header
from engine.codecs.hl7v2.reading import first_line, header_delimiters

_BATCH: Final = (b"FHS", b"BHS")
_BEFORE: Final = b"\r\n\x0b"
_FIELDS: Final = 20


def heading(data: bytes, charset: str = "") -> Header:
    """Return the header of a message, or that of a batch as if it were one: sender, receiver, date, FHS-11 or BHS-11.

    Raises:
        MalformedMessage: the bytes begin with none of MSH, FHS and BHS, or with no field separator.
    Source: HL7 v2.5.1 2.15.9 (MSH), 2.15.2 (BHS), 2.15.6 (FHS).
    """
    if data[:3] not in _BATCH:
        return header(data, charset)
    line, codec, offset = first_line(data, charset)
    parts = line.split(line[3:4] or "|")
    marks = header_delimiters(line, parts, offset)
    parts += [""] * (_FIELDS - len(parts))
    fields = ["MSH", *parts[1:7], "", "", parts[10], *[""] * 10]
    return Header(fields, marks, codec)


def holds_several(data: bytes) -> bool:
    """Tell whether a frame that begins with MSH holds another MSH: two messages, and one acknowledgement for them."""
    start = data[:4]
    at = data.find(start, 4)
    while at > 0:
        if start[:3] == b"MSH" and data[at - 1] in _BEFORE:
            return True
        at = data.find(start, at + 1)
    return False
