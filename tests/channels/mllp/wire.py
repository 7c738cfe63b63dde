"""A plain MLLP client for tests: it writes the bytes that it is told to, and reads what comes back, frame by frame."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LIMIT = 30.0
"""Seconds after which something that must happen is said not to."""

START, END = b"\x0b", b"\x1c\r"


def message(
    control_id: str = "MSG00001",
    *,
    kind: str = "ADT^A01",
    version: str = "2.5.1",
    sequence: str = "",
    accept: str = "",
    application: str = "",
    charset: str = "",
    body: str = "PID|1||10006579^^^HSJ^MR||Fictive^Zelie\r",
) -> bytes:
    """Return a synthetic message from SIH at HSJ."""
    head = (
        f"MSH|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114093011||{kind}|{control_id}|P|{version}"
        f"|{sequence}||{accept}|{application}||{charset}"
    )
    return f"{head.rstrip('|')}\r{body}".encode()


def framed(*contents: bytes) -> bytes:
    """Return messages as they travel."""
    return b"".join(START + content + END for content in contents)


class Wire:
    """One connection to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self) -> bytes:
        """Return the content of the next frame; EOFError where the connection ends instead."""
        async with asyncio.timeout(LIMIT):
            assert await self.reader.readexactly(1) == START, "bytes outside of a frame"
            return (await self.reader.readuntil(END)).removesuffix(END)

    async def ask(self, content: bytes) -> bytes:
        """Send one message and return the answer."""
        await self.write(framed(content))
        return await self.read()

    async def ended(self) -> bytes:
        """Return what comes until the other end closes."""
        async with asyncio.timeout(LIMIT):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def wire(address: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Connect to `host:port`; the connection is cut at the end of the block."""
    host, _, port = address.rpartition(":")
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=name)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def plain(ack: bytes) -> str:
    """Return an acknowledgement with its time and its own id replaced by `NOW` and `ID`, which nobody can foresee."""
    text = ack.decode()
    fields = text.split("\r", 1)[0].split("|")
    assert re.fullmatch(r"\d{14}[+-]\d{4}", fields[6]), fields[6]
    assert re.fullmatch(r"[0-9A-Z]{20}", fields[9]), fields[9]
    return text.replace(fields[6], "NOW", 1).replace(fields[9], "ID", 1)
