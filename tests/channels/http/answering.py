"""A server that writes exactly the bytes it is told to, for what a partner's HTTP server can do to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Answering:
    """`opened` counts connections; `requests` are the heads and bodies that were read."""

    port: int
    opened: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


@asynccontextmanager
async def conversing(converse: Act) -> AsyncIterator[int]:
    """Serve each connection by `converse`; yields the port, and cuts every connection on leaving."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test ends: streams log a handler that ends as cancelled
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def answering(*acts: bytes | Act) -> AsyncIterator[Answering]:
    """Serve; each request takes the next act over all connections, the last repeats. Bytes are written as they are."""
    script = list(acts)
    server = Answering(0)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.opened += 1
        while True:
            server.requests.append(await read_request(reader))
            act = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(act, bytes):
                writer.write(act)
                await writer.drain()
            else:
                await act(reader, writer)

    async with conversing(converse) as server.port:
        yield server


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Return the next request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(size)


def then_close(data: bytes) -> Act:
    """Write `data`, then end the connection in good order."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    return act


def then_reset(data: bytes) -> Act:
    """Write `data`, then reset the connection."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.transport.abort()

    return act


def byte_by_byte(data: bytes) -> Act:
    """Write `data` in pieces of one byte that arrive one by one."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    return act


def trickle(data: bytes) -> Act:
    """Write a byte every 10 ms of real time, for ever."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        position = 0
        while True:
            writer.write(data[position % len(data) :][:1])
            position += 1
            await writer.drain()
            await asyncio.sleep(0.01)

    return act


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until the client leaves."""
    await reader.read()
    raise ConnectionError


def endless(data: bytes) -> Act:
    """Write `data` again and again, as fast as it is taken."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()

    return act
