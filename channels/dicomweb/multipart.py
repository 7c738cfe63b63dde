"""Reads multipart/related bodies as they come, piece by piece, and writes what stands between parts.

Nothing is kept but the piece at hand, the head of one part, and what may be the beginning of a delimiter.
Source: RFC 2046 5.1 (multipart), RFC 2387 (related), RFC 9110 5.6.6 (parameters); DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

HEAD_BYTES: Final = 8192
"""Most bytes of a part's head, and of what stands before the first part."""

_HEAD_LINES: Final = 32
_PADDING: Final = 256
# RFC 2046 allows 70 characters, Orthanc 1.10 writes 73.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_PARAMETER: Final = re.compile(
    r';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))[ \t]*', re.ASCII
)
_BEFORE, _DELIMITED, _HEAD, _CONTENT, _AFTER = range(5)


class BrokenMultipart(ValueError):
    """A body is no multipart body, or goes beyond its bounds; the text holds nothing of it."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, with its parameters by name in lower case."""

    name: str
    parameters: Mapping[str, str]

    @property
    def is_multipart(self) -> bool:
        return self.name == "multipart/related"

    @property
    def boundary(self) -> bytes:
        """The delimiter's text; BrokenMultipart where it is none (RFC 2046 5.1.1)."""
        text = self.parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(text):
            raise BrokenMultipart("the boundary is missing, or is none")
        return text.encode("ascii")


def media_type(text: str) -> MediaType | None:
    """Read a media type as Content-Type and Accept write it, None where it is none."""
    name, semicolon, _ = text.partition(";")
    at = len(name)
    parameters: dict[str, str] = {}
    while at < len(text):
        found = _PARAMETER.match(text, at)
        if found is None:
            return None
        value = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        parameters.setdefault(found[1].lower(), value)
        at = found.end()
    plain = name.strip().lower()
    return MediaType(plain, parameters) if "/" in plain and (semicolon or plain) else None


class Parts(Protocol):
    """Takes the parts of a body in order."""

    def begin(self, head: Mapping[str, str]) -> None:
        """Begin a part; header names in lower case."""

    def write(self, data: bytes) -> None:
        """Take a piece of the part's content, never empty."""

    def finish(self) -> None:
        """Hear that the part is complete."""


class Reader:
    """Cuts a body into parts; `feed` it, then tell its `end`."""

    def __init__(self, boundary: bytes, parts: Parts) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._parts = parts
        self._held = b"\r\n"  # so that a delimiter at the very beginning is one, too
        self._at = 0
        self._state = _BEFORE

    def feed(self, data: bytes) -> None:
        """Take the next piece; BrokenMultipart where it cannot be followed."""
        self._held = self._held[self._at :] + data if self._at < len(self._held) else data
        self._at = 0
        steps = (self._before, self._delimited, self._head, self._content)
        while self._state != _AFTER and steps[self._state]():
            pass
        if self._state == _AFTER:
            self._held, self._at = b"", 0

    def end(self) -> None:
        """Hear that nothing follows; BrokenMultipart where the last delimiter did not come."""
        if self._state != _AFTER:
            raise BrokenMultipart("the body ends before its last delimiter")

    # ------------------------------------------------------------- each returns whether to go on

    def _before(self) -> bool:
        at = self._held.find(self._delimiter)
        if at < 0:
            if len(self._held) > HEAD_BYTES + len(self._delimiter):
                raise BrokenMultipart("no part begins within the first bytes of the body")
            return False
        self._at = at + len(self._delimiter)
        self._state = _DELIMITED
        return True

    def _delimited(self) -> bool:
        held, at = self._held, self._at
        if len(held) - at < 2:
            return False
        if held.startswith(b"--", at):
            self._state = _AFTER
            return False
        end = held.find(b"\r\n", at, at + _PADDING)
        if end < 0:
            if len(held) - at >= _PADDING:
                raise BrokenMultipart("a delimiter's line does not end")
            return False
        if held[at:end].strip(b" \t"):
            raise BrokenMultipart("a delimiter is followed by other text")
        self._at = end
        self._state = _HEAD
        return True

    def _head(self) -> bool:
        held, at = self._held, self._at
        end = held.find(b"\r\n\r\n", at, at + HEAD_BYTES)
        if end < 0:
            if len(held) - at >= HEAD_BYTES:
                raise BrokenMultipart(f"the head of a part is longer than {HEAD_BYTES} bytes")
            return False
        self._parts.begin(_read_head(held[at + 2 : end] if end > at else b""))
        self._at = end + 2  # its line end may be the beginning of the delimiter of an empty part
        self._state = _CONTENT
        self._fresh = True
        return True

    def _content(self) -> bool:
        held, delimiter = self._held, self._delimiter
        at = held.find(delimiter, self._at)
        if at >= 0:
            self._emit(at)
            self._parts.finish()
            self._at = at + len(delimiter)
            self._state = _DELIMITED
            return True
        sure = len(held) - len(delimiter) + 1
        if sure > self._at + 2:
            self._emit(sure)
            self._at = sure
        return False

    _fresh = False

    def _emit(self, end: int) -> None:
        """Give the content up to `end`; the first piece without the line end of the head."""
        start = self._at + 2 if self._fresh else self._at
        self._fresh = False
        if end > start:
            self._parts.write(self._held[start:end])


def _read_head(data: bytes) -> Mapping[str, str]:
    lines = data.split(b"\r\n") if data else []
    if len(lines) > _HEAD_LINES:
        raise BrokenMultipart(f"the head of a part has more than {_HEAD_LINES} lines")
    head: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise BrokenMultipart("a line in the head of a part is no header")
        head.setdefault(name.lower(), value.strip())
    return head


def part_head(boundary: str, content_type: str, **headers: str) -> bytes:
    """Return what stands before the content of a part: the delimiter and the head."""
    lines = [f"--{boundary}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def last_delimiter(boundary: str) -> bytes:
    """Return what stands after the last part."""
    return f"--{boundary}--\r\n".encode("ascii")
