"""A TCP relay that stands before a real server and makes it silent, drop connections, or be absent.

A real server seldom hangs on demand. The relay passes bytes both ways, lets a test watch them, and misbehaves from
the moment when the client has sent `trigger`: so handshakes pass, and what follows the message does not.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self, cast

_CHUNK = 65_536


class Way(enum.Enum):
    """What the relay does with bytes, from the trigger on."""

    PASSES = enum.auto()
    """Bytes go both ways."""
    HOLDS = enum.auto()
    """The client's bytes reach the server; what the server answers reaches nobody."""
    CUTS = enum.auto()
    """The connection is reset instead of passing the chunk that holds the trigger."""


class Wire:
    """The relay: `port` stays its own while it is closed and opened again."""

    def __init__(self, target: int, *, trigger: bytes, port: int = 0) -> None:
        self.target = target
        self.trigger = trigger
        self.way = Way.PASSES
        self.opened = 0
        self.on_connect: Callable[[], tuple[Callable[[bytes], None], Callable[[bytes], None]]] | None = None
        self.port = port
        self._server: asyncio.Server | None = None
        self._live: set[asyncio.Transport] = set()
        self._open: set[asyncio.Future[None]] = set()

    @property
    def live(self) -> int:
        """How many connections from clients are open."""
        return len(self._live)

    async def open(self) -> Self:
        """Listen, on the same port as before."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Front(self), "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Stop listening, reset every connection, and return once they are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        while self._open:
            await next(iter(self._open))

    def watch(self) -> asyncio.Future[None]:
        """Return a future to set when one socket is closed; `close` waits for all of them."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open.add(closed)
        closed.add_done_callback(self._open.discard)
        return closed

    def say(self, data: bytes) -> None:
        """Write `data` to every client, as if the server had."""
        for transport in self._live:
            transport.write(data)

    def cut(self) -> None:
        """Reset every connection; listening goes on."""
        for transport in list(self._live):
            transport.abort()


class _Front(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._seen = b""
        self._held = False
        self._back: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._taps: tuple[Callable[[bytes], None], Callable[[bytes], None]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._wire.opened += 1
        self._wire._live.add(self._transport)
        self._closed = self._wire.watch()
        self._taps = self._wire.on_connect() if self._wire.on_connect else None
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            back, _ = await loop.create_connection(
                lambda: _Back(self, self._wire), "127.0.0.1", self._wire.target
            )
        except OSError:
            self._transport.abort()
            return
        self._back = back
        if self._closed.done():
            back.abort()
        for chunk in self._early:
            self._back.write(chunk)

    def data_received(self, data: bytes) -> None:
        if self._taps:
            self._taps[0](data)
        self._seen = (self._seen + data)[-_CHUNK:]
        if self._wire.trigger in self._seen:
            self._seen = b""
            if self._wire.way is Way.CUTS:
                self._transport.abort()
                return
            self._held = self._held or self._wire.way is Way.HOLDS
        if self._back is None:
            self._early.append(data)
        else:
            self._back.write(data)

    def back_to_client(self, data: bytes) -> None:
        if self._held:
            return
        if self._taps:
            self._taps[1](data)
        self._transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._wire._live.discard(self._transport)
        self._closed.set_result(None)
        if self._back is not None:
            self._back.abort()

    def end(self) -> None:
        """The server closed: pass it on, unless the wire is silent."""
        if not self._held:
            self._transport.close()


class _Back(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, front: _Front, wire: Wire) -> None:
        self._front = front
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._closed = self._wire.watch()

    def data_received(self, data: bytes) -> None:
        self._front.back_to_client(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._closed.set_result(None)
        self._front.end()


@asynccontextmanager
async def wire(target: int, *, trigger: bytes, port: int = 0) -> AsyncIterator[Wire]:
    """Relay to the port `target` of 127.0.0.1 until the end of the block, from `port` or a free one."""
    relay = await Wire(target, trigger=trigger, port=port).open()
    try:
        yield relay
    finally:
        await relay.close()
