"""Two ends of a real TLS connection on loopback, for tests that look at what each of them learns."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.model import Certificate
from engine.security.identity import peer_certificate
from engine.security.tls import TlsFiles

GREETING = b"bonjour\n"
PATIENCE = 30.0


def files_of(folder: Path, name: str, *, ca: Path | None = None) -> TlsFiles:
    """Name a pair made by `make_dev_certificates`, with its authority or another."""
    return TlsFiles(folder / f"{name}.pem", folder / f"{name}.key", ca or folder / "ca.pem")


@dataclass
class Door:
    """A listener that answers one line with `bonjour`, and the identities of those who wrote it."""

    port: int = 0
    callers: list[Certificate | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.append(peer_certificate(writer.get_extra_info("ssl_object")))
        if await reader.readline():
            writer.write(GREETING)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def door(context: ssl.SSLContext | None) -> AsyncIterator[Door]:
    """Listen on a free port of loopback."""
    opened = Door()
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0, ssl=context)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        await server.wait_closed()


async def knock(port: int, context: ssl.SSLContext, *, host: str = "localhost") -> tuple[bytes, str]:
    """Connect, write a line, read the answer; return it with the SHA-256 of the server's certificate."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
        try:
            server = peer_certificate(writer.get_extra_info("ssl_object"))
            writer.write(b"hello\n")
            await writer.drain()
            return await reader.readline(), server.sha256 if server else ""
        finally:
            writer.transport.abort()
