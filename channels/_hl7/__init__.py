"""What transports of HL7 v2 share: media types, the sender of a message, and what a verdict is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from channels._hl7.heading import heading
from engine.codecs.hl7v2.acknowledging import condition
from engine.codecs.hl7v2.header import Header
from engine.errors import MalformedMessage
from engine.model import Disposition, Fault, Verdict

ER7: Final = "x-application/hl7-v2+er7"
"""The media type of a message in ER7 notation."""
MEDIA_TYPES: Final = frozenset({ER7, "application/hl7-v2", "application/hl7-v2+er7"})
"""The media types that mean ER7 (HL7 over HTTP, draft of the HAPI project, 2.4)."""
CONTROL_ID_MAX: Final = 199
"""Characters of MSH-10 at most (HL7 v2.7 2.14.9.10; 20 before); a longer one is cut, since it stands in an index."""


@dataclass(frozen=True, slots=True)
class Sender:
    """`header` is None where none can be read; then nothing is known, and the intake refuses the message."""

    header: Header | None
    control_id: str
    meta: Mapping[str, object]


def sender_of(data: bytes, *, charset: str, zone: str) -> Sender:
    """Return what MSH says, of a batch FHS or BHS: its id, and `application` and `facility` for `Message.meta`."""
    try:
        found = heading(data, charset)
    except MalformedMessage:
        return Sender(None, "", {"charset": charset, "zone": zone})
    read = found.marks.read
    meta = {
        "application": read(found.sending_application),
        "facility": read(found.sending_facility),
        "processing": found.processing,
        "charset": charset,
        "zone": zone,
    }
    return Sender(found, found.control_id[:CONTROL_ID_MAX], meta)


def with_charset(content_type: str, charset: str) -> str:
    """Return a content type that says the character set to read by, which wins over MSH-18."""
    return f"{content_type}; charset={charset}" if charset else content_type


def charset_of(content_type: str) -> str:
    """Return the parameter `charset` of a content type, "" where there is none."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""


def is_hl7(content_type: str) -> bool:
    """Say whether a content type means ER7."""
    return content_type.partition(";")[0].strip().lower() in MEDIA_TYPES


# --------------------------------------------------------------------------- verdicts

BUSY: Final = Fault("", "the message could not be stored; send it again", "207")
"""What a sender is told where nothing of its message is durable."""
REFUSED: Final = Fault("", "the message is not taken", "102")
"""What a sender is told where nobody says why."""

_POSITIVE: Final = frozenset({Disposition.ACCEPTED, Disposition.FILTERED, Disposition.DUPLICATE})
"""A verdict of a collision means that the message is not taken: one that is taken has the verdict accepted."""
_REJECTING: Final = frozenset({"malformed", "unmatched", "200", "201", "202", "203"})
_OURS: Final = frozenset({"206", "207"})


def code_of(verdict: Verdict) -> str:
    """Return MSA-1 of the original mode: AE where content is at fault, or we are; AR where nobody reads or takes it.

    Source: HL7 v2.5.1 2.9.2, table 0008.
    """
    if verdict.disposition in _POSITIVE:
        # AE or AR: the message is taken, but its destination did not answer in time (`timeout: AE`)
        return "AA" if verdict.faults else verdict.code or "AA"
    if verdict.code in ("AA", "AE", "AR"):
        return verdict.code
    return "AR" if is_unsupported(verdict) and not _is_late(verdict) else "AE"


def told(verdict: Verdict) -> tuple[Fault, ...]:
    """Return what the sender is told of a negative verdict.

    A fault of the content without a place in the message is told as 102: 207 would ask to send it again.
    """
    faults = tuple(
        fault if fault.code in _OURS or condition(fault) != "207" else replace(fault, code="102")
        for fault in verdict.faults
    )
    return faults or (BUSY if _is_late(verdict) else REFUSED,)


def is_unsupported(verdict: Verdict) -> bool:
    """Tell whether the message was refused before its content was looked at: no reader, no route."""
    return any(fault.code in _REJECTING for fault in verdict.faults)


def _is_late(verdict: Verdict) -> bool:
    """Tell whether the sender may come again with the same message."""
    return verdict.retry_after is not None or any(fault.code in _OURS for fault in verdict.faults)
