"""The codec `hl7v2`: what the engine calls to read, write and address HL7 v2 messages in ER7 notation."""

from __future__ import annotations

from collections.abc import Sequence

from engine.codecs.hl7v2.composite import notation
from engine.codecs.hl7v2.document import CODEC_NAME, Hl7Document
from engine.codecs.hl7v2.grouping import groups
from engine.codecs.hl7v2.message import Er7, refused
from engine.codecs.hl7v2.paths import Hl7Path, compile_path, path_extent
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import Rejected
from engine.model import Message
from engine.spi import Document


class Hl7Codec:
    """Stateless. The listener's character set comes in the message's header `charset`, else in its content type."""

    name = CODEC_NAME
    content_type = "x-application/hl7-v2+er7"

    def decode(self, message: Message) -> Hl7Document:
        """Return the body as a document, nothing of it normalised.

        Raises:
            MalformedMessage: it does not begin with a header segment, is UTF-16, or has too many segments.
        """
        charset = message.headers.get("charset", "")
        if not charset and "charset" in message.content_type:
            charset = told_charset(message.content_type)
        return Hl7Document(parse(message.body.read(), charset))

    def encode(self, document: Document) -> bytes:
        """Return the bytes that came in, with only what was changed changed.

        Raises:
            Rejected: a value that was set has a character that the message's character set lacks.
        """
        if not isinstance(document.root, Er7):
            raise Rejected("an HL7 document holds a message and nothing else", code="unwritable")
        return write(document.root)

    def parts(self, document: Hl7Document, path: Hl7Path) -> Sequence[Hl7Document]:
        """Split a message: one document per segment that the path names (`OBR`), see `groups`.

        Raises:
            Rejected: the path names no segment as a whole.
        """
        place = path.place
        if place.field or place.which is not None or not place.segment:
            raise refused(path.text, "a message is split by a segment, such as OBR")
        return groups(document, place.segment)

    def notation(self, text: str) -> str | None:
        """Return the value that a literal in a route says, its parts included: `MSH-9: ADT^A08` (see `notation`)."""
        return notation(text)

    def path(self, text: str) -> Hl7Path:
        """Compile `PID-3.1`, `PID-3[.5 == "JHN"].1`, `OBX[*]-5`; ExpressionError."""
        return compile_path(text)

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        return path_extent(text, start)


CODEC = Hl7Codec()


def told_charset(content_type: str) -> str:
    """Return the character set that a content type names beside MSH-18, "" for none."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""
