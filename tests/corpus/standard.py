"""What HL7 says of a message's answers, read from the bytes by plain splitting: the engine must agree with it.

Source: HL7 v2.5.1 2.9.2 (original mode), 2.9.3 (enhanced mode), 2.15.9 (MSH), 2.15.2 and 2.15.6 (BHS-11, FHS-11 as the
id of a batch), tables 0008 and 0155; v2.1 II.5.1 (the event in EVN-1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEFORE = b"\xef\xbb\xbf\r\n\t\x0b \x00"
_ENDS = re.compile(rb"[\r\n]+")
_COMMIT = {"AA": "CA", "AE": "CE", "AR": "CR"}


@dataclass(frozen=True, slots=True)
class Head:
    """What a sender says of its message, as bytes; all empty where it cannot be read.

    `kind` is `ADT^A01`, empty where a word of it holds anything but letters and digits.
    """

    control_id: bytes = b""
    kind: bytes = b""
    sender: tuple[bytes, bytes] = (b"", b"")
    accept: bytes = b""
    application: bytes = b""


def head(data: bytes) -> Head:
    """Read the first segment, and the type of the first message of a batch."""
    segments = [segment for segment in _ENDS.split(data.lstrip(_BEFORE)) if segment]
    if not segments or segments[0][:3] not in (b"MSH", b"FHS", b"BHS"):
        return Head()
    separator = segments[0][3:4]
    if not separator or separator.isalnum():
        return Head()
    fields = segments[0].split(separator) + [b""] * 20
    first = next((segment for segment in segments if segment[:3] == b"MSH"), b"")
    kind = _kind(first.split(separator) + [b""] * 20, segments, separator)
    if fields[0] != b"MSH":
        return Head(fields[10], kind, (fields[2], fields[3]))
    return Head(fields[9], kind, (fields[2], fields[3]), fields[14], fields[15])


def _kind(fields: list[bytes], segments: list[bytes], separator: bytes) -> bytes:
    mark = fields[1][:1] or b"^"
    parts = [part.strip() for part in fields[8].split(mark)]
    event = next((segment for segment in segments if segment[:4] == b"EVN" + separator), b"").split(separator)
    if len(parts) == 1 and len(parts[0]) == 3 and len(event) > 1:
        parts.append(event[1])
    written = b"^".join(parts[:2])
    return written if written.replace(b"^", b"").isalnum() else b""


def due(of: Head, code: str) -> tuple[str, ...]:
    """Return MSA-1 of each answer that is due, in order, where the original mode says `code`: AA, AE or AR.

    A refusal is one that nothing was taken of: its commit acknowledgement is CE or CR.
    """
    if not of.accept and not of.application:
        return (code,)
    accept, application = _condition(of.accept), _condition(of.application)
    if code == "AA":
        commit = ("CA",) if accept in (b"AL", b"SU") else ()
        return (*commit, "AA") if application in (b"AL", b"SU") else commit
    if accept in (b"AL", b"ER"):
        return (_COMMIT[code],)
    return (code,) if application in (b"AL", b"ER") else ()


def _condition(field: bytes) -> bytes:
    """Empty and null mean NE; the standard is silent on other words, and an answer too many harms less."""
    word = field.strip().upper()
    if word in (b"", b'""'):
        return b"NE"
    return word if word in (b"AL", b"NE", b"ER", b"SU") else b"AL"


@dataclass(frozen=True, slots=True)
class Answer:
    """MSA-1, MSA-2 as bytes, and whether there is an ERR segment."""

    code: str
    reference: bytes
    explained: bool


def answer(data: bytes) -> Answer:
    """Read an acknowledgement by its own field separator; `code` is "" where it has no MSA."""
    separator = data[3:4]
    segments = data.split(b"\r")
    msa = next((segment for segment in segments if segment.startswith(b"MSA" + separator)), b"")
    fields = [*msa.split(separator), b"", b"", b""]
    explained = any(segment.startswith(b"ERR" + separator) for segment in segments)
    return Answer(fields[1].decode("latin-1"), fields[2], explained)
