"""A listener that answers every message as it was told to, and hands each to whoever looks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from engine.cli.hl7.framing import Frames, TooLarge, framed
from engine.clock import Clock
from engine.codecs.hl7v2.acknowledging import acknowledge, timestamp
from engine.codecs.hl7v2.header import Header, header, unknown_header
from engine.errors import MalformedMessage
from engine.ids import IdSource
from engine.model import Fault

_READ: Final = 65_536
_GOODBYE: Final = 2.0
"""Seconds that open connections get to end; the process ends all the same."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that came: its bytes, its header (None where it has none that can be read), and what it was told."""

    number: int
    data: bytes
    header: Header | None
    code: str


@dataclass(slots=True)
class Listening:
    """Answers with `code`, and with `error` of table 0357 where it is not ""; ends after `most` messages, 0 never."""

    code: str
    error: str
    most: int
    clock: Clock
    heard: Callable[[Heard], None]
    ids: IdSource
    number: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(
        self, host: str, port: int, tls: ssl.SSLContext | None, ready: Callable[[str, int], None]
    ) -> None:
        """Listen until `most` have come or cancelled; `ready` hears of the bound address."""
        server = await asyncio.start_server(self._connected, host, port, ssl=tls)
        try:
            ready(*server.sockets[0].getsockname()[:2])
            await self.done.wait()
        finally:
            server.close()
            for writer in self._open.values():
                writer.close()
            if self._open:
                await asyncio.wait(self._open, timeout=_GOODBYE)
            await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames()
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while data := await reader.read(_READ):
                for message in frames.feed(data):
                    writer.write(framed(self._answer(message)))
                    await writer.drain()
                if self._full():
                    self.done.set()
                    return
        except (OSError, TooLarge):
            return  # the sender is gone, or sends no messages: its connection ends, the others go on
        finally:
            del self._open[task]
            with suppress(OSError):
                writer.close()

    def _full(self) -> bool:
        return 0 < self.most <= self.number

    def _answer(self, data: bytes) -> bytes:
        self.number += 1
        now_ms = self.clock.now_ms()
        faults = [Fault("", "", self.error)] if self.error else []
        code, found = self.code, None
        try:
            read = found = header(data)
        except MalformedMessage as error:
            read, code, faults = unknown_header(), "AR", list(error.faults)
        self.heard(Heard(self.number, data, found, code))
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
        return acknowledge(read, code, id=self.ids.next(), now=timestamp(moment), faults=faults)
