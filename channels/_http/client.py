"""One connection to a partner's HTTP server: one request at a time, a bounded answer, used again while it behaves.

Source: RFC 9112 6.3, 9.3, 9.6; RFC 9110 15.2 (interim answers).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools

from channels._http.dial import refused_identity
from engine.errors import PasserelleError, Transient

EVIDENCE_BYTES = 65_536
"""How much of an answer's body is kept."""

_BODY_MAX = 2**20
"""Bytes of an answer's body that are read at all; beyond, the connection is cut and the status counts."""

_HEAD_MAX = 65_536
_IDLE_SECONDS = (
    4.0  # below the 5 s after which common servers close: a request into a closing connection is lost
)
_IDLE_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a partner answered; header names in lower case, the body up to `EVIDENCE_BYTES`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ClientConnection(asyncio.Protocol):
    """Sends requests and reads answers; made by `dial`, owned by a pool."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self.tls: ssl.SSLObject | None = None
        self._ready = False
        self._clear()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def _clear(self) -> None:
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._read = 0
        self._head_bytes = 0
        self._status = 0

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._ready and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes, *, seconds: float) -> Response:
        """Send one request and return its answer, complete within `seconds`.

        Raises:
            Transient: no valid answer came (`sent`), or the connection was closed before anything was written.
            Permanent: the peer refused our certificate.
        """
        if not self.usable or self._transport is None:
            raise Transient("the connection was closed before anything was sent", code="closed")
        self._ready = False
        self._clear()
        self._waiter = self._loop.create_future()
        self._set_deadline(seconds)
        if len(body) > EVIDENCE_BYTES:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    def close(self) -> None:
        """Close in good order."""
        self._ready = False
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut."""
        self._ready = False
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class derives from nothing
        self.tls = transport.get_extra_info("ssl_object")
        self._ready = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done() or self._parser is None:
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
        waiting = self._waiter is not None and not self._waiter.done()
        if waiting and self._status and not self._framed():
            self._complete(reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ready = False
        self._parser = None  # parser and connection hold each other
        if self._timer is not None:
            self._timer.cancel()
        refused = refused_identity(exc)
        where = "in the middle of its answer" if self._status else "without an answer"
        closed = Transient(f"the partner closed the connection {where}", sent=True, code="closed")
        self._fail(refused or closed, exc)
        if not self.closed.done():
            self.closed.set_result(None)

    # ------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if self._waiter is None or self._waiter.done():
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
        room = EVIDENCE_BYTES - len(self._body)
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
        self._ready = reusable and self._transport.get_write_buffer_size() == 0
        self._waiter.set_result(Response(self._status, headers, bytes(self._body)))
        if self.usable:
            self._set_deadline(_idle_seconds(headers.get("keep-alive", "")))
        else:
            self.abort()

    def _fail(self, failure: PasserelleError, cause: BaseException | None = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            failure.__cause__ = cause
            self._waiter.set_exception(failure)

    # ------------------------------------------------------------- one timer per connection, moved and not remade

    def _set_deadline(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.cancelled() or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        elif self._waiter is not None and not self._waiter.done():
            self._fail(Transient("the partner did not answer in time", sent=True, code="timeout"))
            self.abort()
        else:
            self.close()


def _idle_seconds(hint: str) -> float:
    """Return how long to keep a connection: what the server says (`Keep-Alive: timeout=5`) less one second."""
    for part in hint.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit():
            return min(_IDLE_MAX, max(0.0, int(value[:9]) - 1.0))
    return _IDLE_SECONDS
