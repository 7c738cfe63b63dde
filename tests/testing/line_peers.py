"""Both other ends of the line protocol, for the suites that test the channel in `line_channel`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine.config.models import Address, HostPort
from engine.testing.channels import Answer, Arrival, Behaviour, NetworkPartner, Sender
from tests.peers.ports import free_port
from tests.testing.line_channel import LineEndpoint, LineListener

_ANSWERS = {Behaviour.ACCEPTS: b"OK\n", Behaviour.REFUSES: b"NO\n", Behaviour.BUSY: b"LATER 7\n"}


class LinePartner(NetworkPartner):
    """A server that answers lines as it is told."""

    retry_after = 7.0

    def __init__(self) -> None:
        self.port = free_port()
        address: Address = HostPort("127.0.0.1", self.port)
        self.config = LineEndpoint(line=address)
        self._behaviour = Behaviour.ACCEPTS
        self._server: asyncio.Server | None = None
        self._arrivals: list[Arrival] = []
        self._accepted: list[Arrival] = []
        self._opened = 0
        self._live: set[asyncio.StreamWriter] = set()

    async def become(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        if behaviour is Behaviour.ABSENT:
            await self.close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._live):
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened += 1
        self._live.add(writer)
        try:
            while line := await reader.readline():
                identifier, _, body = line.decode().strip().partition(" ")
                arrival = Arrival(identifier, bytes.fromhex(body))
                self._arrivals.append(arrival)
                if self._behaviour is Behaviour.DROPS:
                    return
                if self._behaviour is Behaviour.SILENT:
                    await reader.read()
                    return
                if self._behaviour is Behaviour.ACCEPTS:
                    self._accepted.append(arrival)
                writer.write(_ANSWERS[self._behaviour])
        except OSError:
            return
        finally:
            self._live.discard(writer)
            writer.transport.abort()

    async def arrivals(self) -> Sequence[Arrival]:
        return list(self._arrivals)

    async def accepted(self) -> Sequence[Arrival]:
        return list(self._accepted)

    def opened(self) -> int:
        return self._opened

    def live(self) -> int:
        return len(self._live)


class LineSender(Sender):
    """A client that sends each line over a connection of its own."""

    limit = 2

    def __init__(self) -> None:
        address: Address = HostPort("127.0.0.1", 0)
        self.config = LineListener(line=address, in_flight=self.limit)
        self._port = 0
        self._count = 0
        self._replies: dict[str, asyncio.Task[bytes]] = {}

    async def connect(self, address: str) -> None:
        self._port = int(address.rpartition(":")[2])

    async def offer(self) -> str:
        self._count += 1
        control_id = f"line-{self._count}"
        await self.offer_again(control_id)
        return control_id

    async def offer_again(self, control_id: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"{control_id} {control_id.encode().hex()}\n".encode())
        self._replies[control_id] = asyncio.create_task(self._reply(reader, writer))

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            return await reader.readline()
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    async def answer(self, control_id: str) -> Answer:
        word = await asyncio.shield(self._replies[control_id])
        return {b"OK\n": Answer.ACCEPTED, b"NO\n": Answer.REFUSED}.get(word, Answer.LATER)

    async def close(self) -> None:
        """Give up every connection."""
        for task in self._replies.values():
            task.cancel()
        await asyncio.gather(*self._replies.values(), return_exceptions=True)
