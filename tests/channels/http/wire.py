"""A plain HTTP/1.1 client for tests: it writes the bytes it is told to, in the pieces it is told, and reads answers."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

LIMIT = 30.0
"""Seconds after which something that must happen is said not to."""


@dataclass(frozen=True, slots=True)
class Got:
    """One response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def write_split(self, data: bytes, *, at: int) -> None:
        """Write in two pieces that arrive as two."""
        await self.write(data[:at])
        await asyncio.sleep(
            0
        )  # the listener shares this loop: it reads the first piece before the second is sent
        await self.write(data[at:])

    async def read(self, *, bodiless: bool = False) -> Got:
        """Return the next response; EOFError where the connection ends instead."""
        async with asyncio.timeout(LIMIT):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                raise EOFError("the connection ended without a response") from None
            status, *lines = head[:-4].decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            size = 0 if bodiless else int(headers.get("content-length", "0"))
            return Got(int(status.split(" ")[1]), headers, await self.reader.readexactly(size))

    async def ended(self) -> bool:
        """Return whether the listener closes the connection without another byte."""
        async with asyncio.timeout(LIMIT):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def wire(address: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Connect to `host:port`."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=tls, server_hostname="localhost" if tls else None
    )
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def post(
    body: bytes = b"{}",
    *,
    path: str = "/v1/appointments",
    content_type: str | None = "application/json",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request that a listener takes."""
    lines = [f"POST {path} HTTP/1.1", "Host: engine.example", f"Content-Length: {len(body)}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, headers: str = "") -> bytes:
    """Return the same request with its body in chunks, without the last one's end."""
    head = (
        "POST /v1/appointments HTTP/1.1\r\nHost: engine.example\r\nContent-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\n{headers}\r\n"
    )
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
