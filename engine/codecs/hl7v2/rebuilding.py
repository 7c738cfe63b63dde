"""What mappers need of this codec: a message as its segments, and a message made of segments."""

from __future__ import annotations

from dataclasses import dataclass

from engine.codecs.hl7v2.delimiters import Delimiters
from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.reading import charset_field, cut, header_delimiters


@dataclass(frozen=True, slots=True)
class Parts:
    """A message taken apart: `lead`, then each text with its end; `end` alone where they are all the same.

    `codec` is Python's name of the character set, `charset` what the listener declared, `declared` MSH-18 as received.
    """

    lead: str
    texts: list[str]
    end: str
    ends: list[str] | None
    marks: Delimiters
    codec: str
    charset: str
    declared: str


class Rebuilding:
    """Takes messages apart and makes them; stateless."""

    def take_apart(self, root: Er7) -> Parts:
        """Return the segments of a message as they would be written now."""
        declared = charset_field(root.header)[0]
        return Parts(
            root.lead, root.texts(), root.end, root.ends, root.marks, root.codec, root.charset, declared
        )

    def parts_of(self, text: str, lead: str, codec: str, charset: str, declared: str) -> Parts:
        """Return the segments of a text that begins with `lead` and then a header segment.

        Raises:
            MalformedMessage: it does not, or has too many segments.
        """
        body = text[len(lead) :]
        texts, end, ends = cut(body)
        if ends is None:
            texts = body.split(end)
        marks = header_delimiters(texts[0], texts[0].split(texts[0][3:4] or "|", 2), 0)
        return Parts(lead, texts, end, ends, marks, codec, charset, declared)

    def put_together(self, parts: Parts) -> Er7:
        """Return the message; it is written in `codec` unless its MSH-18 is another than the one received."""
        header = parts.texts[0]
        mark = header[3:4]
        received = f"{header[:8]}{mark}{mark * 15}{parts.declared}" if header.startswith("MSH") else header
        segments: list[str | object] = list(parts.texts)
        return Er7(
            None,
            parts.lead,
            segments,  # type: ignore[arg-type]  # texts now, each maybe a Segment later
            None,
            parts.end,
            parts.ends,
            parts.marks,
            parts.codec,
            parts.charset,
            received,
            "",
        )


REBUILDING = Rebuilding()
