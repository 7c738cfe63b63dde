"""Connections to one partner, kept between requests: the youngest is used first, the others grow old and close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from channels._http.client import ClientConnection, Response
from channels._tcp.dial import Destination, dial
from channels._tcp.kept import Kept
from engine.errors import Transient

CONNECT_SECONDS = 10.0


class Pool:
    """Opens connections as they are needed and keeps at most `kept` of them idle."""

    def __init__(self, destination: Destination, *, kept: int) -> None:
        self.destination = destination
        self._most = kept
        self._connections = Kept[ClientConnection]()

    async def exchange(self, head: bytes, body: bytes, *, seconds: float, reply_seconds: float) -> Response:
        """Send one request and return its answer; connecting and answering take at most `seconds` together.

        A connection is given back only after a complete answer; any other ending closes it.

        Raises:
            Transient, Permanent: as `dial` and `ClientConnection.exchange`.
        """
        connection, seconds = await self._connected(seconds)
        response = await connection.exchange(head, body, seconds=min(reply_seconds, seconds))
        self._connections.give(connection, most=self._most)
        return response

    async def stream(self, head: bytes, pieces: AsyncGenerator[bytes], *, seconds: float) -> Response:
        """Send one request whose body comes piece by piece, and return its answer; else as `exchange`."""
        connection, seconds = await self._connected(seconds)
        response = await connection.stream(head, pieces, seconds=seconds)
        self._connections.give(connection, most=self._most)
        return response

    async def _connected(self, seconds: float) -> tuple[ClientConnection, float]:
        """Return a connection that is free, and how many of the seconds are left."""
        connection = self._connections.take()
        if connection is None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            connection = await dial(self.destination, ClientConnection, seconds=min(CONNECT_SECONDS, seconds))
            self._connections.add(connection)
            seconds -= loop.time() - began
        if seconds <= 0:
            connection.close()
            raise Transient("no time was left to send", code="timeout")
        return connection, seconds

    async def close(self) -> None:
        """Close all connections: idle ones in good order, those in use are cut."""
        await self._connections.close()
