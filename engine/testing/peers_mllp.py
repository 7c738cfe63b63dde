"""A scripted MLLP partner: a real server on 127.0.0.1 that answers, refuses, is busy, silent, drops, or is absent.

It frames and reads messages by itself, and what it says is written out here, so that nothing of the channel is
tested by the channel's own code. `MllpPeer.script` may answer each message with bytes of its own.

Source: HL7 v2.5.1 2.9.2 (acknowledgements), 2.15.8 (MSA), 2.15.5 (ERR), appendix C (MLLP).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from engine.testing.outbound import Arrival, Behaviour, NetworkPartner

START, END = b"\x0b", b"\x1c\r"

Script = Callable[[bytes], Sequence[bytes]]
"""Given a message, what to write back, each in a frame; an empty sequence says nothing."""


def framed(content: bytes) -> bytes:
    """Return a message as it travels."""
    return START + content + END


def control_id(message: bytes) -> str:
    """Return MSH-10 as it stands in the message, "" where there is none."""
    fields = message.split(b"\r", 1)[0].split(message[3:4] or b"|")
    return fields[9].decode("latin-1") if len(fields) > 9 else ""


def answer(message: bytes, code: str, error: str = "") -> bytes:
    """Return an acknowledgement as a partner writes it; `error` is an ERR segment in full."""
    head = "MSH|^~\\&|RIS|IMAGERIE|PASSERELLE|HSJ|20260114093012||ACK|R1|P|2.5.1"
    tail = f"{error}\r" if error else ""
    return f"{head}\rMSA|{code}|{control_id(message)}\r{tail}".encode("latin-1")


_ANSWERS: dict[Behaviour, tuple[str, str]] = {
    Behaviour.ACCEPTS: ("AA", ""),
    Behaviour.REFUSES: ("AR", "ERR||PID^1^3|101^Required field missing^HL70357|E"),
    Behaviour.BUSY: ("AE", "ERR|||207^Application internal error^HL70357|E"),
}


class MllpPeer(NetworkPartner):
    """Answers as it is told; `port` stays its own while it is absent and comes back.

    `received` holds every message with its bytes, `script` answers instead of the behaviour where it is set.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.received: list[bytes] = []
        self.script: Script | None = None
        self.behaviour = Behaviour.ACCEPTS
        self._secured = tls
        self._accepted: list[Arrival] = []
        self._opened = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> Self:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._secured)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close the door and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def become(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        if behaviour is Behaviour.ABSENT:
            await self.stop()
        elif self._server is None:
            await self.start()

    async def arrivals(self) -> Sequence[Arrival]:
        return [Arrival(control_id(message), message) for message in self.received]

    async def accepted(self) -> Sequence[Arrival]:
        return tuple(self._accepted)

    def opened(self) -> int:
        return self._opened

    def live(self) -> int:
        return len(self._writers)

    def say(self, content: bytes) -> None:
        """Send a message on every open connection, unasked."""
        for writer in self._writers:
            writer.write(framed(content))

    def cut(self) -> None:
        """Reset every connection; listening goes on."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._opened += 1
        self._writers.add(writer)
        try:
            while True:
                await reader.readuntil(START)
                message = (await reader.readuntil(END)).removesuffix(END)
                if not self._answer(message, writer):
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    def _answer(self, message: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer one message; False closes the connection."""
        self.received.append(message)
        if self.script is not None:
            for content in self.script(message):
                writer.write(framed(content))
            return True
        if self.behaviour in _ANSWERS:
            if self.behaviour is Behaviour.ACCEPTS:
                self._accepted.append(Arrival(control_id(message), message))
            writer.write(framed(answer(message, *_ANSWERS[self.behaviour])))
        return self.behaviour is not Behaviour.DROPS


@asynccontextmanager
async def mllp_peer(tls: ssl.SSLContext | None = None) -> AsyncIterator[MllpPeer]:
    """Serve until the end of the block; `tls` is a server's context."""
    peer = await MllpPeer(tls).start()
    try:
        yield peer
    finally:
        await peer.stop()
