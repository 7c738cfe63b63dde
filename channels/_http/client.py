"""One connection to a partner's HTTP server: one request at a time, a bounded answer, used again while it behaves.

Source: RFC 9112 6.3, 9.3, 9.6; RFC 9110 15.2 (interim answers).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import httptools

from channels._tcp.exchange import OneInFlight
from engine.errors import Transient

_BODY_MAX = 2**20
"""Bytes of an answer's body that are read and kept; beyond, the connection is cut and the status counts."""

_TOGETHER_MAX = 65_536
"""Bytes of a request's body that are copied to leave in one write with its head."""

_HEAD_MAX = 65_536
_IDLE_SECONDS = (
    4.0  # below the 5 s after which common servers close: a request into a closing connection is lost
)
_IDLE_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a partner answered; header names in lower case, the body up to 1 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ClientConnection(OneInFlight[Response]):
    """Sends requests and reads answers; made by `dial`, owned by a pool."""

    def __init__(self) -> None:
        super().__init__()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._sending = False
        self._writable: asyncio.Future[None] | None = None
        self._clear()

    def _clear(self) -> None:
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._read = 0
        self._head_bytes = 0
        self._status = 0

    async def exchange(self, head: bytes, body: bytes, *, seconds: float) -> Response:
        """Send one request and return its answer, complete within `seconds`.

        Raises:
            Transient: no valid answer came (`sent`), or the connection was closed before anything was written.
            Permanent: the peer refused our certificate.
        """
        transport = self._begin(seconds)
        self._clear()
        if len(body) > _TOGETHER_MAX:
            transport.write(head)
            transport.write(body)
        else:
            transport.write(head + body)
        return await self._answer()

    async def stream(self, head: bytes, pieces: AsyncGenerator[bytes], *, seconds: float) -> Response:
        """Send a request whose body comes piece by piece, at the peer's pace; else as `exchange`.

        An answer that comes before the last piece ends the sending, and the connection with it. What `pieces` raises is
        raised, with the connection cut.
        """
        transport = self._begin(seconds)
        self._clear()
        transport.write(head)
        self._sending = True
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    if not self._waiting:
                        break
                    transport.write(piece)
                    if self._writable is not None:
                        await self._writable
                else:
                    self._sending = False
        except BaseException:
            if self._waiter is not None:
                self._waiter.cancel()
            self.abort()
            raise
        return await self._answer()

    # ------------------------------------------------------------- called by the event loop

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        if not self._waiting or self._parser is None:
            self.abort()  # nobody asked: whatever this answers, it is not our next request
            return
        if not self._status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Transient("the partner's answer is no valid HTTP", sent=True, code="garbage"), error)
            self.abort()
            return
        if not self._status and self._head_bytes > _HEAD_MAX:
            self._fail(Transient("the head of the partner's answer is endless", sent=True, code="garbage"))
            self.abort()

    def eof_received(self) -> bool:
        self._ready = False
        if self._waiting and self._status and not self._framed():
            self._complete(reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._parser = None  # parser and connection hold each other
        self.resume_writing()
        super().connection_lost(exc)

    def _half_answered(self) -> bool:
        return self._status > 0

    # ------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if not self._waiting:
            self.abort()  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status

    def on_body(self, chunk: bytes) -> None:
        self._read += len(chunk)
        room = _BODY_MAX - len(self._body)
        if room > 0:
            self._body += chunk[:room]
        if self._read > _BODY_MAX:
            self._complete(reusable=False)

    def on_message_complete(self) -> None:
        if not self._status:
            self._headers = {}  # 100 Continue and its like: the answer is still to come
            return
        assert self._parser is not None
        self._complete(reusable=self._parser.should_keep_alive())

    # ------------------------------------------------------------- the end of an exchange

    def _framed(self) -> bool:
        return "content-length" in self._headers or "transfer-encoding" in self._headers

    def _complete(self, *, reusable: bool) -> None:
        if self._waiter is None or self._waiter.done() or self._transport is None:
            return
        headers, self._headers = self._headers, {}
        self._ready = reusable and not self._sending and self._transport.get_write_buffer_size() == 0
        self._waiter.set_result(Response(self._status, headers, bytes(self._body)))
        if self.usable:
            self._set_deadline(_idle_seconds(headers.get("keep-alive", "")))
        else:
            self.abort()


def _idle_seconds(hint: str) -> float:
    """Return how long to keep a connection: what the server says (`Keep-Alive: timeout=5`) less one second."""
    for part in hint.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit():
            return min(_IDLE_MAX, max(0.0, int(value[:9]) - 1.0))
    return _IDLE_SECONDS
