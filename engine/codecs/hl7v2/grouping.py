"""One message per group of segments, each with the segments above it repeated: an order or a report of its own.

No message structure is consulted: a group begins where its segment stands, and ends where the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.codecs.hl7v2.document import Hl7Document
from engine.codecs.hl7v2.message import Er7, Segment

BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "OBR": ("ORC",),
    "RXA": ("ORC",),
    "RXO": ("ORC",),
    "FT1": ("ORC",),
}
"""Segments that belong to the group whose segment directly follows them."""
ABOVE: Final = ("PID",)
"""Segments that end a group and begin the heading of the next ones: another patient."""


def groups(document: Hl7Document, name: str) -> list[Hl7Document]:
    """Return one document per segment `name`, in order; [] when there is none.

    Each holds the heading (what stands before the first group, from the last PID on replaced by its own patient's)
    and one group. Every byte of a segment is kept, and MSH with its MSH-10: whoever splits sets a new one.
    """
    message: Er7 = document.root
    texts = [text for text in message.texts() if text.strip()]
    names = [text[:3] for text in texts]
    starts = _starts(names, name)
    heading: list[str] = []
    found: list[list[str]] = []
    current: list[str] | None = None
    for position, text in enumerate(texts):
        if position in starts:
            current = [*heading]
            found.append(current)
        elif current is not None and names[position] in ABOVE:
            heading = _above(heading, names[position])
            current = None
        (heading if current is None else current).append(text)
    return [_document(document, message, segments) for segments in found]


def _starts(names: list[str], name: str) -> set[int]:
    starts: set[int] = set()
    before = BEFORE.get(name, ())
    for position, each in enumerate(names):
        if each == name:
            start = position
            while start > 1 and names[start - 1] in before:
                start -= 1
            starts.add(start)
    return starts


def _above(heading: list[str], name: str) -> list[str]:
    """Return the heading without its patient."""
    places = [position for position, text in enumerate(heading) if text[:3] == name]
    return heading[: places[0]] if places else heading


def _document(document: Hl7Document, whole: Er7, segments: list[str]) -> Hl7Document:
    held: list[str | Segment] = [*segments, ""]
    root = Er7(
        None,
        whole.lead,
        held,
        None,
        whole.end,
        None,
        whole.marks,
        whole.codec,
        whole.charset,
        whole.header,
        whole.charset_trouble,
    )
    return Hl7Document(root, document.envelope)
