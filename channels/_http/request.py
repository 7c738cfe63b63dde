"""One HTTP request as a listener reads it: head, counted body, and the share of memory it holds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from channels._http.replies import Answer
from engine.model import Body
from engine.spi import Admission


class Sink(Protocol):
    """Takes the body of one request as it arrives, instead of keeping it; called on the event loop."""

    @property
    def refusal(self) -> Answer | None:
        """What ends the request before its body ends."""

    def write(self, chunk: bytes) -> None:
        """Take a piece."""

    def drained(self) -> asyncio.Future[None] | None:
        """Return what is done once more can be taken, None where it can be taken now."""

    def discard(self) -> None:
        """Give up what is not in the engine's hands; harmless again, and after the end."""


_SINGLE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"traceparent",
        b"webhook-id",
        b"webhook-signature",
        b"webhook-timestamp",
    }
)


class Request:
    """A request that is read piece by piece; `headers` has names in lower case, both sides as bytes.

    `answer` is filled as soon as the request is refused; what is still to come of its body is then not kept.
    """

    # Defaults stand on the class: one request in ten thousand a second sets only what it has.
    method = b""
    url = b""
    version = ""
    fault = ""
    size = 0
    keep_alive = True
    received = False
    partner: str | None = None
    selector = ""
    codec = ""
    control_id = ""
    answer: Answer | None = None
    admission: Admission | None = None
    sink: Sink | None = None
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    _first = b""
    _chunks: bytearray | None = None
    _digest: hashlib._Hash | None = None

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, bytes]] = []

    def read_lines(self) -> None:
        """Make `headers` of the lines: repeated ones are joined, or a fault where a second one is ambiguous."""
        self.headers = {name.lower(): value for name, value in self.lines}
        if len(self.headers) == len(self.lines):
            return
        headers: dict[bytes, bytes] = {}
        for name, value in self.lines:
            lowered = name.lower()
            before = headers.get(lowered)
            if before is not None and (lowered in _SINGLE or lowered.startswith(b"ce-")):
                self.fault = f"more than one {lowered.decode('latin-1')} header"
            headers[lowered] = value if before is None else before + b", " + value
        self.headers = headers

    def head_bytes(self) -> int:
        """Return the size of the head, without the request line's method and version."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.lines)

    def text(self, name: bytes) -> str:
        """Return a header's value as text, "" where there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    def add_body(self, chunk: bytes) -> None:
        """Keep a piece of the body; the digest of a long one is computed while it arrives."""
        self.size += len(chunk)
        if self.sink is not None:
            self.sink.write(chunk)
        elif self._chunks is not None and self._digest is not None:
            self._chunks += chunk
            self._digest.update(chunk)
        elif self._first:
            self._chunks = bytearray(self._first)
            self._chunks += chunk
            self._digest = hashlib.sha256(self._chunks)
        else:
            self._first = chunk

    def body(self) -> Body:
        """Return what arrived."""
        if self._chunks is None or self._digest is None:
            return Body.of(self._first)
        return Body(self.size, self._digest.digest(), bytes(self._chunks))

    def content(self) -> bytes:
        """Return the raw bytes, for a signature over them."""
        return self._first if self._chunks is None else bytes(self._chunks)

    def forget(self) -> None:
        """Drop what was kept of the body."""
        self._first = b""
        self._chunks = None

    def release(self) -> None:
        """Give the admitted share of memory back, and what a sink holds; a second call does nothing."""
        if self.sink is not None:
            self.sink.discard()
        if self.admission is not None:
            self.admission.__exit__(None, None, None)
            self.admission = None
