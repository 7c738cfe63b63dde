"""The codec `text`: a plain text in a declared charset, read as a whole or by its lines.

Paths: `text` (the whole), `line[0]` (one line without its end, counted from 0), `line[*]` (all lines). What is not
set keeps its bytes, line ends and byte order mark included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ExpressionError, MalformedMessage, Rejected
from engine.model import Fault, Message
from engine.spi import Document, Getter

CHARSETS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
}
"""IANA name -> Python codec; each gives back the bytes that it read."""

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_PATH = re.compile(r"text|line(?:\[(\*|\d{1,9})\])?")
_EXTENT = re.compile(r"\w*(?:\[[^\]\s]*\])?")


@dataclass(slots=True)
class Content:
    """The text of a message, changeable; `charset` is an IANA name of `CHARSETS`."""

    text: str
    charset: str = "utf-8"

    def lines(self) -> list[str]:
        """Return the lines without their ends; a text that ends with a line end has no empty line after it."""
        return [line for line, _ in _lines(self.text)]


@dataclass(slots=True)
class TextDocument:
    """A decoded text."""

    root: Any
    envelope: Mapping[str, Any] | None = None
    codec: str = "text"

    def copy(self) -> TextDocument:
        """Return an independent copy."""
        return TextDocument(Content(self.root.text, self.root.charset), self.envelope, self.codec)


@dataclass(frozen=True, slots=True)
class TextPath:
    """A compiled path; `line` is None for the whole text, -1 for all lines, else a line's index."""

    text: str
    line: int | None
    get: Getter = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Replace the text, or a line; one past the end adds a line.

        Raises:
            Rejected: the value is no text, or there is no such line.
        """
        if not isinstance(value, str):
            raise _refused(self.text, "only a text can be set here")
        if self.line is None:
            root.text = value
            return
        lines = _lines(root.text)
        if not 0 <= self.line <= len(lines):
            raise _refused(self.text, "there is no such line")
        if self.line == len(lines):
            root.text += ("" if not lines or lines[-1][1] else "\n") + value
            return
        lines[self.line] = (value, lines[self.line][1])
        root.text = _joined(lines)

    def remove(self, root: Any) -> None:
        """Empty the text, or take a line out with its end."""
        if self.line is None or self.line < 0:
            root.text = ""
            return
        lines = _lines(root.text)
        del lines[self.line : self.line + 1]
        root.text = _joined(lines)


class TextCodec:
    """Stateless; the charset is the one of the content type, UTF-8 where it names none."""

    name = "text"
    content_type = "text/plain; charset=utf-8"

    def decode(self, message: Message) -> TextDocument:
        """Return the body as text; MalformedMessage with the byte offset of what its charset does not know."""
        charset = _charset(message.content_type)
        try:
            return TextDocument(Content(message.body.read().decode(CHARSETS[charset]), charset))
        except UnicodeDecodeError as error:
            text = f"no {charset} at byte {error.start}"
            raise MalformedMessage(text, position=error.start) from None

    def encode(self, document: Document) -> bytes:
        """Return the text in its charset; Rejected where the charset lacks a character."""
        content = document.root
        try:
            return bytes(content.text.encode(CHARSETS[content.charset]))
        except UnicodeEncodeError as error:
            text = f"character {error.start} does not exist in {content.charset}"
            raise Rejected(text, faults=(Fault("text", text, "unwritable"),), code="unwritable") from None

    def notation(self, text: str) -> str:
        """Return the text itself."""
        return text

    def path(self, text: str) -> TextPath:
        """Compile `text`, `line[0]` or `line[*]`; ExpressionError."""
        found = _PATH.fullmatch(text)
        if found is None:
            raise ExpressionError(
                "a text has no such path", length=max(1, len(text)), help="write text or line[0]"
            )
        if text == "text":
            return TextPath(text, None, lambda root: root.text)
        if found[1] in (None, "*"):
            return TextPath(text, -1, lambda root: root.lines())
        number = int(found[1])
        return TextPath(text, number, lambda root: _line(root, number))

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        found = _EXTENT.match(text, start)
        return found.end() if found else start


CODEC = TextCodec()


def _line(content: Content, number: int) -> str:
    lines = content.lines()
    return lines[number] if number < len(lines) else ""


def _lines(text: str) -> list[tuple[str, str]]:
    """Return each line with its end; the last may have none."""
    return [(found[1], found[2]) for found in _LINE.finditer(text) if found[0]]


def _joined(lines: list[tuple[str, str]]) -> str:
    return "".join(line + end for line, end in lines)


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
            if charset not in CHARSETS:
                known = ", ".join(CHARSETS)
                raise MalformedMessage(f"the declared charset is not read here; there are {known}")
            return charset
    return "utf-8"


def _refused(path: str, why: str) -> Rejected:
    return Rejected(f"{path}: {why}", faults=(Fault(path, why, "unsettable"),), code="unsettable")
