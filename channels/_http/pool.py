"""Connections to one partner, kept between requests: the youngest is used first, the others grow old and close."""

from __future__ import annotations

import asyncio
from functools import partial

from channels._http.client import ClientConnection, Response
from channels._http.dial import Destination, dial
from engine.errors import Transient

CONNECT_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0


class Pool:
    """Opens connections as they are needed and keeps at most `kept` of them idle."""

    def __init__(self, destination: Destination, *, kept: int) -> None:
        self.destination = destination
        self._kept = kept
        self._idle: list[ClientConnection] = []
        self._all: set[ClientConnection] = set()

    async def exchange(self, head: bytes, body: bytes, *, seconds: float, reply_seconds: float) -> Response:
        """Send one request and return its answer; connecting and answering take at most `seconds` together.

        A connection is given back only after a complete answer; any other ending closes it.

        Raises:
            Transient, Permanent: as `dial` and `ClientConnection.exchange`.
        """
        connection = self._take()
        if connection is None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            connection = await dial(self.destination, ClientConnection, seconds=min(CONNECT_SECONDS, seconds))
            self._all.add(connection)
            connection.closed.add_done_callback(partial(self._gone, connection))
            seconds -= loop.time() - began
        if seconds <= 0:
            connection.close()
            raise Transient("no time was left to send", code="timeout")
        response = await connection.exchange(head, body, seconds=min(reply_seconds, seconds))
        if connection.usable and len(self._idle) < self._kept:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    async def close(self) -> None:
        """Close all connections: idle ones in good order, those in use are cut."""
        everyone = [connection.closed for connection in self._all]
        for connection in self._all:
            if connection.usable:
                connection.close()
            else:
                connection.abort()
        self._idle.clear()
        if everyone:
            await asyncio.wait(everyone, timeout=_GOODBYE_SECONDS)
        for connection in tuple(self._all):
            connection.abort()

    def _take(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def _gone(self, connection: ClientConnection, _: object) -> None:
        self._all.discard(connection)
