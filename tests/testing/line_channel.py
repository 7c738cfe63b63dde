"""The smallest channel that keeps every promise, over a made-up protocol of lines; the how-to walks through it.

A line is `<message id> <body in hex>`; the answer is `OK`, `NO`, `LATER <seconds>`, or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from engine.config.models import Address, Count, EndpointConfig, ListenerConfig
from engine.errors import CommitUnknown, Rejected, Transient
from engine.model import Attempt, Body, Disposition, Message, Reply, Verdict
from engine.spi import Inbound, Intake, Outbound


class LineEndpoint(EndpointConfig):
    """A partner that takes lines."""

    type: ClassVar[str] = "line"

    line: Address
    """Where it listens."""


class LineListener(ListenerConfig):
    """A door that takes lines."""

    type: ClassVar[str] = "line"

    line: Address
    """Where to listen."""

    in_flight: Count = 2
    """Most lines handed in at once."""


class LineOutbound(Outbound):
    """Sends each message over a connection of its own."""

    config: LineEndpoint

    async def send(self, attempt: Attempt) -> Reply:
        sent = False
        try:
            async with asyncio.timeout(attempt.timeout):
                reader, writer = await asyncio.open_connection(self.config.line.host, self.config.line.port)
                try:
                    sent = True
                    writer.write(f"{attempt.message_id} {attempt.body.read().hex()}\n".encode())
                    answer = (await reader.readline()).decode().split()
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise Transient(f"no answer within {attempt.timeout:g} s", sent=sent, code="timeout") from None
        except OSError as error:
            raise Transient("the partner cannot be reached, or hung up", sent=sent, code="lost") from error
        return self.understood(answer)

    def understood(self, answer: Sequence[str]) -> Reply:
        """Turn the partner's answer into a reply or an error."""
        match answer:
            case ["OK"]:
                return Reply("OK")
            case ["NO"]:
                raise Rejected("the partner refuses the message", code="NO", reply=Reply("NO"))
            case ["LATER", seconds]:
                raise Transient(
                    "the partner is busy", retry_after=float(seconds), code="LATER", reply=Reply("LATER")
                )
        raise Transient("the partner hung up without an answer", sent=True, code="lost")

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        try:
            _, writer = await asyncio.open_connection(self.config.line.host, self.config.line.port)
        except OSError:
            return [("tcp", False, "nobody listens")]
        writer.close()
        return [("tcp", True, "")]


class LineReply:
    """The exchange: one word."""

    def reply(self, verdict: Verdict) -> bytes:
        return b"NO\n" if verdict.disposition is Disposition.REFUSED else b"OK\n"


class LineInbound(Inbound):
    """Takes lines; one task per connection, which answers each line before it reads the next."""

    config: LineListener
    _stopping = False
    _busy = 0

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        self._idle, self._stopped = anyio.Event(), anyio.Event()
        self._slots = anyio.Semaphore(self.config.in_flight)
        listener = await anyio.create_tcp_listener(
            local_host=self.config.line.host, local_port=self.config.line.port
        )
        port = listener.extra(SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, lambda stream: self.talk(stream, intake))
            task_status.started(f"{self.config.line.host}:{port}")
            await self._stopped.wait()
            group.cancel_scope.cancel()

    async def stop(self) -> None:
        self._stopping = True
        while self._busy:
            self._idle = anyio.Event()
            await self._idle.wait()
        self._stopped.set()

    async def talk(self, stream: SocketStream, intake: Intake) -> None:
        """Serve one connection."""
        async with stream:
            reading = BufferedByteReceiveStream(stream)
            try:
                while True:
                    line = await reading.receive_until(b"\n", 65_536)
                    async with self._slots:
                        if self._stopping:
                            return
                        await self.answer(line, stream, intake)
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError):
                return

    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        """Hand one line in, and answer."""
        self._busy += 1
        try:
            with intake.admit(self.config.partner, len(line)):
                receipt = await intake(self.message(line), LineReply())
            await stream.send(receipt.reply)
        except (Transient, CommitUnknown):
            await stream.send(b"LATER 1\n")
        finally:
            self._busy -= 1
            self._idle.set()

    def message(self, line: bytes) -> Message:
        """Make a message of a line."""
        control_id, _, body = line.decode().strip().partition(" ")
        return Message(
            id=self.context.new_id(),
            listener=self.context.name,
            body=Body.of(bytes.fromhex(body)),
            codec="text",
            received_ms=self.context.clock.now_ms(),
            control_id=control_id,
        )
