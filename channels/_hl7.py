"""What every transport of HL7 v2 but MLLP tells of a message beside its bytes: its id, its sender, its header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.codecs.hl7v2.header import Header, header
from engine.errors import MalformedMessage

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
    """Return what MSH says: MSH-10, and `application` and `facility` (MSH-3.1, MSH-4.1) for `Message.meta`."""
    try:
        found = header(data, charset)
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
