"""Start a clinic's record system: an HTTP/1.1 server over mutual TLS 1.3 that answers, or fails to, by script.

It reads sockets itself, so that a script can be silent, trickle, cut or write garbage, and bodies stay as they came:
a signature is checked on the raw bytes. It shares no code with the engine's channels.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from pathlib import Path

from engine.model import Certificate
from engine.security.identity import peer_certificate
from engine.security.tls import RotatingContext, TlsFiles
from tests.peers.ports import free_port

PATIENCE = 30.0
MAX_HEAD = 65_536


class Misbehaviour(Enum):
    """What a record system does instead of answering a request that it has read."""

    SILENT = auto()
    """No answer; the connection stays open."""
    TRICKLE = auto()
    """The answer's bytes come one at a time, and its end never does."""
    DROP = auto()
    """The connection is closed in order, without an answer."""
    RESET = auto()
    """The connection is reset."""
    CUT = auto()
    """The connection is closed in the middle of the answer's body."""
    GARBAGE = auto()
    """What is answered is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; with `held` it waits for `release()` and is then written if the connection still lives."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    held: bool = False

    def encode(self) -> bytes:
        """Return the response as it goes over the wire."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


OK = Answer(200, {"Content-Type": "application/json"}, b'{"status":"received"}')
ACCEPTED = Answer(202)
BAD_REQUEST = Answer(400, {"Content-Type": "application/json"}, b'{"error":"unknown practitioner"}')
FAILED = Answer(500)
LATE = Answer(200, held=True)


def busy(retry_after: str) -> Answer:
    """Make a 503 with `Retry-After`, in seconds or as an HTTP date (RFC 9110 10.2.3)."""
    return Answer(503, {"Retry-After": retry_after})


@dataclass(frozen=True, slots=True)
class Received:
    """One request: header names in lower case, `at` in seconds of `time.monotonic()`, `connection` counts from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connection: int
    certificate: Certificate | None


Script = Sequence[Answer | Misbehaviour] | Callable[[Received], Answer | Misbehaviour]


class Emr:
    """The server; `requests` holds everything that was read whole, in order of arrival.

    `script` is a sequence, one entry per request over all connections of which the last repeats, or a function of the
    request. It may be replaced at any time.
    """

    def __init__(self, context: ssl.SSLContext | None, *, script: Script) -> None:
        self.port = free_port()
        self.script = script
        self.requests: list[Received] = []
        self.connections = 0
        self._context = context
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, or will; without a path."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; what was received before is kept."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._listener))

    async def stop(self) -> None:
        """Stop listening and cut every connection, those in their handshake too: the clinic is absent."""
        if self._accepting is None or self._listener is None:
            return
        for task in (self._accepting, *self._tasks):
            task.cancel()
        await asyncio.gather(self._accepting, *self._tasks, return_exceptions=True)
        self._listener.close()
        await asyncio.sleep(0)  # an aborted transport lets go of its socket in the next turn
        self._accepting = None

    def release(self) -> None:
        """Let every held answer go, those to come included."""
        self._released.set()

    async def wait_for_requests(self, count: int, *, seconds: float = PATIENCE) -> list[Received]:
        """Return the requests once there are `count`; raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return list(self.requests)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(partial(_closed, connection))

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_HEAD, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._context)
        except OSError:
            return  # refused by one side or the other: there was no conversation
        self.connections += 1
        try:
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            await self._converse(reader, writer, self.connections)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the sender went away, which is its right; what it sent whole is recorded
        finally:
            transport.abort()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        certificate = peer_certificate(writer.get_extra_info("ssl_object"))
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            request, *lines = head[:-4].decode("latin-1").split("\r\n")
            method, path, _ = request.split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body = await _read_body(reader, headers)
            received = Received(method, path, headers, body, time.monotonic(), connection, certificate)
            answer = await self._record(received)
            if isinstance(answer, Misbehaviour):
                return await _misbehave(answer, reader, writer)
            if answer.held:
                await self._released.wait()
            writer.write(answer.encode())
            await writer.drain()
            if headers.get("connection", "").lower() == "close":
                return await _close(writer)

    async def _record(self, received: Received) -> Answer | Misbehaviour:
        async with self._changed:
            self.requests.append(received)
            count = len(self.requests)
            self._changed.notify_all()
        if callable(self.script):
            return self.script(received)
        return self.script[min(count, len(self.script)) - 1]


@asynccontextmanager
async def emr(
    certs: Path | None,
    *,
    name: str = "engine",
    script: Script = (OK,),
    present: bool = True,
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    trusts: Path | None = None,
) -> AsyncIterator[Emr]:
    """Start a record system with the certificate `name` of a development folder; `certs=None` is plaintext.

    `present=False`: nothing listens until `start()`. `newest_tls=TLSv1_2`: it speaks nothing newer. Give the folder of
    another authority as `certs` for a server that the engine must refuse, or another `ca.pem` as `trusts` for one that
    refuses the engine.
    """
    context = _tls(certs, name, newest=newest_tls, trusts=trusts or certs / "ca.pem") if certs else None
    server = Emr(context, script=script)
    try:
        if present:
            await server.start()
        yield server
    finally:
        await server.stop()


def _tls(certs: Path, name: str, *, newest: ssl.TLSVersion, trusts: Path) -> ssl.SSLContext:
    def load() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_3)
        context.maximum_version = newest
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusts)
        context.load_cert_chain(certs / f"{name}.pem", certs / f"{name}.key")
        return context

    return RotatingContext(
        load, TlsFiles()
    )  # so that a refused engine gets the alert that real servers write


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return body


async def _misbehave(how: Misbehaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do it until the sender gives up, where it lasts."""
    whole = OK.encode()
    match how:
        case Misbehaviour.SILENT:
            await reader.read()
        case Misbehaviour.TRICKLE:
            await _trickle(whole, reader, writer)
        case Misbehaviour.DROP:
            await _close(writer)
        case Misbehaviour.RESET:
            writer.transport.abort()
        case Misbehaviour.CUT:
            writer.write(whole[:-5])
            await _close(writer)
        case Misbehaviour.GARBAGE:
            writer.write(b"\x16\x03\x01 bonjour, this is no HTTP\r\n\r\n")
            await _close(writer)


async def _trickle(whole: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write a byte every 50 ms of real time and never the last one."""
    for position in range(len(whole) - 1):
        writer.write(whole[position : position + 1])
        await writer.drain()
        try:
            async with asyncio.timeout(0.05):
                await reader.read()
        except TimeoutError:
            continue
        return
    await reader.read()


def _closed(connection: socket.socket, ended: asyncio.Task[None]) -> None:
    """Let go of a connection whose task was cut before its handshake began: no transport does."""
    connection.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close in order, so that what was written arrives before the end does."""
    writer.close()
    await writer.wait_closed()
