"""Bytes to a message: decoded first, then cut at its segment ends; nothing is normalised."""

from __future__ import annotations

import re
from typing import Final

from engine.codecs.hl7v2.charsets import decoded, is_utf16
from engine.codecs.hl7v2.delimiters import HEADERS, Delimiters, delimiters_of
from engine.codecs.hl7v2.message import Er7, Segment
from engine.errors import MalformedMessage

MAX_SEGMENTS: Final = 100_000
AT_ONCE: Final = 10
"""Segments that are cut at once; most messages are routed by what stands in them."""
_BLANK: Final = "\ufeff\r\n\t\v \0"
_BYTES_BEFORE: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n\t\v \0]*")
_CARRIAGE_RETURNS: Final = re.compile(r"(\r\n?)")
_ANY_END: Final = re.compile(r"(\r\n?|\n)")
MSH_18: Final = 17
"""Where MSH-18 stands among the fields of MSH."""


def parse(data: bytes, charset: str = "") -> Er7:
    """Read one message, or a whole batch file as one; `charset` is what the listener declares.

    Segments end with CR, LF or CRLF. Where the first end is a bare CR, as the standard asks, a lone LF belongs to its
    field, unless nothing follows it; else each of the three is an end. A byte order mark, blank lines and what else
    surrounds the message are kept.

    Raises:
        MalformedMessage: it does not begin with MSH, FHS or BHS and a field separator, is UTF-16, or has more than
            `MAX_SEGMENTS` segments; `position` is the byte offset.
    """
    codec = trouble = ""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        text, codec, trouble = _decoded(data, charset)
    else:
        if "\x1b" in text:  # sets that switch by escape sequences look like ASCII
            text, codec, trouble = _decoded(data, charset)
    lead = "" if text.startswith("MSH") else _lead(data, text)
    body = text[len(lead) :] if lead else text
    segments, end, ends = cut(body)
    header = segments[0]
    marks = header_delimiters(header, header.split(header[3:4] or "|", 2), len(lead.encode()))
    rest = segments.pop() if len(segments) > AT_ONCE and ends is None else None
    held: list[str | Segment] = segments  # type: ignore[assignment]  # texts now, each maybe a Segment later
    return Er7(data, lead, held, rest, end, ends, marks, codec, charset, header, trouble)


def cut(text: str) -> tuple[list[str], str, list[str] | None]:
    """Return the segments, the end to use for a new one, and the end of each where they are not all that one.

    Where all ends are the same, what follows the first `AT_ONCE` segments is left in one piece.

    Raises:
        MalformedMessage: there are more than `MAX_SEGMENTS`.
    """
    if len(text) > MAX_SEGMENTS and text.count("\n") + text.count("\r") > MAX_SEGMENTS:
        raise MalformedMessage(f"the message has more than {MAX_SEGMENTS} segments")
    if "\n" not in text:
        return text.split("\r", AT_ONCE), "\r", None
    if "\r" not in text:
        return text.split("\n", AT_ONCE), "\n", None
    if text.count("\n") == text.count("\r") == text.count("\r\n"):
        return text.split("\r\n", AT_ONCE), "\r\n", None
    return _cut_mixed(text)


def _cut_mixed(text: str) -> tuple[list[str], str, list[str]]:
    first = _ANY_END.search(text)
    end = first[0] if first else "\r"
    tail = ""
    if end == "\r":
        body = text.rstrip("\n")
        tail = text[len(body) :]
        pieces = _CARRIAGE_RETURNS.split(body)
    else:
        pieces = _ANY_END.split(text)
    return pieces[0::2], end, [*pieces[1::2], tail]


def charset_field(line: str) -> tuple[str, str]:
    """Return MSH-18 of the first segment and the repetition separator; "" where there is none."""
    fields = line.split(line[3:4] or "|", MSH_18 + 1)
    if fields[0] != "MSH" or len(fields) <= MSH_18:
        return "", ""
    return fields[MSH_18], fields[1][1:2]


def _decoded(data: bytes, charset: str) -> tuple[str, str, str]:
    if is_utf16(data):
        text = "UTF-16 and UTF-32 are not accepted: send UNICODE UTF-8"
        raise MalformedMessage(text, position=0, path="MSH-18")
    before = _BYTES_BEFORE.match(data)
    start = before.end() if before else 0
    line = re.split(rb"[\r\n]", data[start : start + 65_536], maxsplit=1)[0].decode("latin-1")
    return decoded(data, charset, *charset_field(line))


def _lead(data: bytes, text: str) -> str:
    """Return what stands before the first segment."""
    if is_utf16(data):
        text = "UTF-16 and UTF-32 are not accepted: send UNICODE UTF-8"
        raise MalformedMessage(text, position=0, path="MSH-18")
    body = text.lstrip(_BLANK)
    if body[:3] not in HEADERS:
        before = _BYTES_BEFORE.match(data)
        position = before.end() if before else 0
        raise MalformedMessage(
            "the message does not begin with MSH, FHS or BHS", position=position, path="MSH"
        )
    return text[: len(text) - len(body)]


def first_line(data: bytes, charset: str) -> tuple[str, str, int]:
    """Return the first segment's text, its codec ("" for ASCII), and the offset at which it begins."""
    start = 0
    if data[:3] != b"MSH":
        before = _BYTES_BEFORE.match(data)
        start = before.end() if before else 0
    end = data.find(b"\r", start)
    line = data[start:end] if end >= 0 else data[start:]
    if b"\n" in line:
        line = line.partition(b"\n")[0]
    if line.isascii() and b"\x1b" not in line:
        return line.decode("ascii"), "", start
    text, codec, _ = _decoded(line, charset)
    return text, codec, start


def header_delimiters(line: str, fields: list[str], offset: int) -> Delimiters:
    """Return the delimiters that a header segment declares; `fields` are at least its first two.

    Raises:
        MalformedMessage: there is no field separator; `position` is the byte offset of where it should be.
    """
    separator = line[3:4]
    if not separator or separator.isalnum() or separator.isspace() or separator == '"':
        text = "segment 1 ends before its field separator, or a letter, digit or blank stands there"
        raise MalformedMessage(text, position=offset + 3, path=f"{line[:3]}-1")
    return delimiters_of(separator, fields[1])
