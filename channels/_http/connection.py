"""One connection of an HTTP listener: bytes in, requests in order, answers in the same order.

The parser is llhttp in its strict mode; what it lets pass and we do not is checked here. One task serves the
connection. While a request is being served nothing further is parsed beyond the slice at hand: the rest waits, and
reading pauses, so that a sender that pipelines feels the engine's pace.

Source: RFC 9112 (HTTP/1.1) 3.2, 6, 9.3, 11.2; RFC 9110 10.1.1 (Expect).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from channels._http.replies import Answer, Writer, problem
from channels._http.request import Request, Sink

_SLICE = 4096
"""Bytes parsed at once outside of a body of known length: bounds what is parsed beyond a complete request."""

_CHUNKED_SLICE = 16_384
_SMALL = 65_536
"""Bytes: a refused body up to this size is read and dropped, so that the connection can be kept."""

_DROPPED_MAX = 4 * 2**20
"""Bytes thrown away after a final answer, before the connection is cut."""

_FRAMING_SPARE = 65_536
_LINGER_SECONDS = 2.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one connection; bytes are those that arrived, whatever was declared."""

    body_bytes: int = 10 * 2**20
    head_bytes: int = 32 * 1024
    header_lines: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0


class Site(Protocol):
    """What a connection asks of its listener."""

    bounds: Bounds
    writer: Writer
    stopping: bool
    now: float
    """Seconds that never go backwards, as of the last look at slow connections."""

    def opened(self, connection: Connection) -> Answer | None:
        """Called once, after the TLS handshake; an answer refuses the connection."""

    def closed(self, connection: Connection) -> None:
        """Called once, when the connection is gone."""

    def receive(self, connection: Connection, request: Request) -> Answer | None:
        """Called when a head is complete and nothing is ahead of it, before the body is read where it waits.

        Authenticates, finds the door and asks for admission; an answer refuses the request. Never raises.
        """

    async def answer(self, connection: Connection, request: Request) -> Answer | bytes | None:
        """Serve a complete request: an answer, or one in its stored form; None closes without a reply."""

    def broke(self, error: BaseException) -> None:
        """Report an error that nobody named."""


# Phases, as integers: they are compared several times per request.
_IDLE, _HEAD, _BODY = 0, 1, 2
_DEAF = 3  # nothing that arrives from now on is a request


class Connection(asyncio.Protocol):
    """Reads requests and writes their answers; `run` serves it from one task until it is closed."""

    def __init__(self, site: Site, address: str) -> None:
        self.address = address
        self.tls: ssl.SSLObject | None = None
        self._site = site
        self._bounds = site.bounds
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._phase = _IDLE
        self._request: Request | None = None
        self._queue: deque[Request] = deque()
        self._busy = False
        self._backlog = b""
        self._paused = False
        self._remaining = 0
        self._wire_bytes = 0
        self._dropped = 0
        self._linger = False
        self._ended = False
        self._answered = False
        self._deadline = site.now + self._bounds.head_seconds
        self._wake: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._lost = asyncio.get_running_loop().create_future()

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class derives from nothing
        self.tls = transport.get_extra_info("ssl_object")
        refusal = self._site.opened(self)
        if refusal is not None:
            self._refuse(refusal)

    def data_received(self, data: bytes) -> None:
        if self._phase == _DEAF:
            self._dropped += len(data)
            if self._dropped > _DROPPED_MAX and self._transport is not None:
                self._transport.abort()
        elif self._queue or self._busy or self._backlog:
            self._hold(data)
        else:
            self._feed(data)

    def eof_received(self) -> bool:
        """The sender closed its half: what it asked completely is still answered, where TLS allows it."""
        self._ended = True
        self._awaken()
        return self.tls is None and not self._answered

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        self._deadline = self._site.now + self._bounds.body_seconds

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = _DEAF
        self._parser = None  # parser and connection hold each other
        if self._request is not None:
            self._request.release()
            self._request = None
        self.resume_writing()
        self._awaken()
        if not self._lost.done():
            self._lost.set_result(None)

    # ------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if self._phase == _IDLE:
            self._request = Request()
            self._phase = _HEAD
            self._wire_bytes = 0
            self._deadline = self._site.now + self._bounds.head_seconds

    def on_url(self, url: bytes) -> None:
        if self._phase == _HEAD and self._request is not None:
            self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase == _HEAD and self._request is not None:  # trailers come in the body's phase
            self._request.lines.append((name, value))

    def on_headers_complete(self) -> None:
        request = self._request
        if self._phase != _HEAD or request is None or self._parser is None:
            return
        request.method = self._parser.get_method()
        request.version = self._parser.get_http_version()
        request.read_lines()
        nearly = self._wire_bytes > self._bounds.head_bytes - _SLICE
        if len(request.lines) > self._bounds.header_lines or (
            nearly and request.head_bytes() > self._bounds.head_bytes
        ):
            self._refuse(_head_too_large(self._bounds))
            return
        self._phase = _BODY
        self._wire_bytes = 0
        self._deadline = self._site.now + self._bounds.body_seconds
        refusal = self._misframed(request)
        if refusal is not None:
            self._refuse(refusal)
            return
        declared = request.headers.get(b"content-length")
        self._remaining = int(declared) if declared is not None else 0
        if declared is None and b"transfer-encoding" in request.headers:
            self._remaining = _CHUNKED_SLICE
        if not (self._queue or self._busy):
            self._receive(request)

    def on_body(self, chunk: bytes) -> None:
        request = self._request
        if self._phase != _BODY or request is None:
            return
        if b"content-length" in request.headers:
            self._remaining -= len(chunk)
        if request.answer is not None:
            request.size += len(chunk)
            if request.size > _SMALL:
                self._refuse(request.answer)
        elif request.size + len(chunk) > self._bounds.body_bytes:
            self._refuse(too_large(self._bounds.body_bytes))
        else:
            request.add_body(chunk)
            if request.sink is not None:
                self._follow(request.sink)

    def on_message_complete(self) -> None:
        request = self._request
        if self._phase != _BODY or request is None or self._parser is None:
            return
        self._request = None
        self._remaining = 0
        request.keep_alive = request.version == "1.1" and self._parser.should_keep_alive()
        self._phase = _IDLE if request.keep_alive else _DEAF
        self._deadline = self._site.now + self._bounds.idle_seconds
        self._queue.append(request)
        self._awaken()

    # ------------------------------------------------------------- reading

    def _follow(self, sink: Sink) -> None:
        """Read on at the pace of what takes the body, and end it where that refuses."""
        if sink.refusal is not None:
            self._refuse(sink.refusal)
            return
        waiting = sink.drained()
        if waiting is not None and self._transport is not None:
            self._transport.pause_reading()
            waiting.add_done_callback(self._read_on)

    def _read_on(self, _: object) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _hold(self, data: bytes) -> None:
        self._backlog += data
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def _take_up(self) -> None:
        """Parse what was held back, now that nothing is ahead of it."""
        request = self._request
        if request is not None and self._phase == _BODY and not request.received:
            self._receive(request)
        data, self._backlog = self._backlog, b""
        if data:
            self._feed(data)
        if self._paused and not self._backlog and self._transport is not None:
            self._paused = False
            self._deadline = self._site.now + self._bounds.body_seconds
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _feed(self, data: bytes) -> None:
        start, size = 0, len(data)
        while start < size and self._phase != _DEAF:
            if start and self._queue:
                self._hold(data[start:])
                return
            step = max(self._remaining, 1) if self._remaining else _SLICE
            piece = data if start == 0 and size <= step else data[start : start + step]
            start += len(piece)
            self._parse(piece)

    def _parse(self, piece: bytes) -> None:
        before = self._phase
        assert self._parser is not None
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # refused when its head was complete
        except httptools.HttpParserCallbackError as error:
            self._site.broke(error)
            self._refuse(problem(500, "The request could not be read.", close=True))
        except httptools.HttpParserError as error:
            if self._phase != _DEAF:
                self._refuse(problem(400, f"This is no valid HTTP/1.1 request: {error}.", close=True))
        self._wire_bytes += len(piece)
        if self._phase == before == _HEAD and self._wire_bytes > self._bounds.head_bytes:
            self._refuse(_head_too_large(self._bounds))
        elif self._phase == before == _BODY and self._mostly_framing():
            self._refuse(problem(400, "The body consists mostly of chunk framing.", close=True))

    def _mostly_framing(self) -> bool:
        return self._request is not None and self._wire_bytes > 2 * self._request.size + _FRAMING_SPARE

    def _misframed(self, request: Request) -> Answer | None:
        """Return why a head cannot be trusted to say where the request ends or whom it is for."""
        headers = request.headers
        if request.fault:
            return problem(400, f"The request has {request.fault}.", close=True)
        if request.version not in ("1.1", "1.0"):
            return problem(505, "This listener speaks HTTP/1.1.", close=True)
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (request.version == "1.0" or coding.strip().lower() != b"chunked"):
            return problem(400, "Of transfer codings only chunked is understood, over HTTP/1.1.", close=True)
        if request.version == "1.1" and b"host" not in headers:
            return problem(400, "The Host header is missing.", close=True)
        if request.method == b"CONNECT":
            return problem(405, "This is no proxy.", lines=b"allow: OPTIONS, POST\r\n", close=True)
        if self._parser is not None and self._parser.should_upgrade():  # httptools would pass over the body
            return problem(400, "Nothing but HTTP/1.1 is spoken here: send it without Upgrade.", close=True)
        return None

    def _receive(self, request: Request) -> None:
        refusal = self._judge(request)
        waits = b"expect" in request.headers and request.size == 0
        if refusal is None:
            if waits and self._transport is not None:
                self._transport.write(_CONTINUE)
            return
        request.forget()
        # A small body is dropped and the connection kept; else the answer ends it: after a refusal nobody knows
        # whether a sender that waits for 100 will still send its body.
        if refusal.close or waits or int(request.headers.get(b"content-length", b"0")) > _SMALL:
            self._refuse(refusal)
        else:
            request.answer = refusal

    def _judge(self, request: Request) -> Answer | None:
        request.received = True
        if request.headers.get(b"expect", b"100-continue").lower() != b"100-continue":
            return problem(417, "Of expectations only 100-continue is understood.", close=True)
        return self._site.receive(self, request)

    def _refuse(self, answer: Answer) -> None:
        """Answer, after everything that is ahead, and close: where the next request begins is not known."""
        request = self._request or Request()
        self._request = None
        request.release()
        request.forget()
        request.answer = answer
        request.received = True
        request.keep_alive = False
        self._phase = _DEAF
        self._linger = True
        self._backlog = b""
        self._queue.append(request)
        self._awaken()

    # ------------------------------------------------------------- serving

    async def run(self) -> None:
        """Serve until the connection is closed; cancellation cuts it."""
        try:
            while (request := await self._next()) is not None:
                self._busy = True
                try:
                    goes_on = await self._serve(request)
                finally:
                    request.release()
                    self._busy = False
                if not goes_on:
                    break
            self._finish()
            await self._lost
        finally:
            for request in self._queue:
                request.release()
            if self._transport is not None:
                self._transport.abort()
            self._site.closed(self)

    async def _next(self) -> Request | None:
        while not self._queue:
            if self._lost.done():
                return None
            self._take_up()
            if self._queue:
                break
            if self._ended or self._phase == _DEAF or (self._site.stopping and self._phase == _IDLE):
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._queue.popleft()

    async def _serve(self, request: Request) -> bool:
        """Answer one request and return whether another may follow."""
        if not request.received:
            request.answer = self._judge(request)
        answer = request.answer or await self._site.answer(self, request)
        if answer is None or self._transport is None or self._lost.done():
            return False
        leaving = self._site.stopping and not self._queue and not self._backlog and self._phase == _IDLE
        close = leaving or not request.keep_alive or (type(answer) is Answer and answer.close)
        if close and self._paused:
            self._phase, self._linger, self._backlog = _DEAF, True, b""
        response = self._site.writer.response(answer, close=close, bodiless=request.method == b"HEAD")
        self._deadline = self._site.now + self._bounds.idle_seconds
        self._transport.write(response)
        if self._writable is not None:
            await self._writable
        if type(answer) is Answer and answer.pieces is not None and request.method != b"HEAD":
            return await self._pour(answer.pieces) and not close
        return not close

    async def _pour(self, pieces: AsyncGenerator[bytes]) -> bool:
        """Write a body in chunks at the reader's pace; return whether its end was written (RFC 9112 7.1)."""
        assert self._transport is not None
        try:
            async for piece in pieces:
                if self._lost.done():
                    return False
                self._deadline = self._site.now + self._bounds.body_seconds
                self._transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
                if self._writable is not None:
                    await self._writable
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the other connections
            self._site.broke(error)
            self._transport.abort()  # without its last chunk the reader knows that something is missing
            return False
        finally:
            await pieces.aclose()
        self._transport.write(b"0\r\n\r\n")
        return True

    def _finish(self) -> None:
        """Close, giving a sender that still sends the time to read its answer before the reset reaches it."""
        self._answered = True
        if self._transport is None or self._lost.done():
            return
        if not self._linger or self._ended:
            self._phase = _DEAF
            self._transport.close()
            return
        self._deadline = self._site.now + _LINGER_SECONDS
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _awaken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # ------------------------------------------------------------- called by the listener

    def check(self, now: float) -> None:
        """Cut the connection when it is behind its deadline; called every now and then."""
        if now < self._deadline or self._transport is None:
            return
        unread = self._writable is not None
        if unread or (self._phase == _DEAF and not self._busy and not self._queue):
            self._transport.abort()
        elif self._phase == _HEAD and not self._backlog:
            self._refuse(problem(408, "The head did not arrive in time.", close=True))
        elif self._phase == _BODY and not self._backlog:
            self._refuse(problem(408, "The body did not arrive in time.", close=True))
        elif self._phase == _IDLE and not (self._queue or self._busy):
            self._phase = _DEAF
            self._transport.close()

    def stop_when_idle(self) -> None:
        """Let the task find out that the listener stops: an idle connection ends now, a busy one after its answer."""
        self._awaken()


def too_large(limit: int) -> Answer:
    return problem(413, f"The body is larger than {limit} bytes.", close=True)


def _head_too_large(bounds: Bounds) -> Answer:
    detail = f"The head is larger than {bounds.head_bytes} bytes or {bounds.header_lines} header lines."
    return problem(431, detail, close=True)
