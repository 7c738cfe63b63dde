"""One connection that messages arrive on: bytes in, messages one after another, their acknowledgements out.

While a message is being served nothing further is cut from the stream, and beyond `_AHEAD` bytes nothing further is
read: a sender that does not wait for its acknowledgements feels the engine's pace.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from channels.mllp.framing import Frame, FrameReader, Framing
from engine.spi import Admission

_AHEAD = 65_536
"""Bytes beyond the message being served that are taken before reading pauses; one read more may lie above it."""

_UNASKED = 65_536
"""Bytes of a message under way that are kept without asking for a share of memory."""

_GARBAGE_MAX = 65_536
"""Bytes outside of frames after which a peer that speaks no MLLP is cut off."""


class Site(Protocol):
    """What a connection asks of its listener."""

    framing: Framing
    limit: int
    """Largest message in bytes."""
    frame_seconds: float
    idle_seconds: float
    stopping: bool
    now: float
    """Seconds that never go backwards, as of the last look at slow connections."""

    def opened(self, connection: Connection) -> bool:
        """Called once, when the connection is secured; False closes it."""

    def closed(self, connection: Connection) -> None:
        """Called once, when the connection is gone."""

    def admit(self, connection: Connection, size: int) -> Admission | str:
        """Return a share of `size` bytes of memory, or the fault that the message is given up with."""

    async def answer(self, connection: Connection, frame: Frame) -> bytes | None:
        """Serve one message and return what to write, framed; None closes without a word."""

    def count(self, event: str) -> None:
        """Count something that happened to a connection."""


class Connection(asyncio.Protocol):
    """Reads messages and writes their acknowledgements; `run` serves it from one task until it is closed."""

    def __init__(self, site: Site, address: str) -> None:
        self.address = address
        self.tls: ssl.SSLObject | None = None
        self._site = site
        self._reader = FrameReader(site.framing, site.limit)
        self._transport: asyncio.Transport | None = None
        self._shares: list[Admission] = []
        self._admitted = 0
        self._busy = False
        self._begun = False
        self._paused = False
        self._ended = False
        self._opened = False
        self._garbage = 0
        self._deadline = site.now + site.idle_seconds
        self._wake: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class derives from nothing
        self.tls = transport.get_extra_info("ssl_object")
        self._opened = True
        if not self._site.opened(self):
            self._ended = True
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._wake is not None:
            self._awaken()
        elif self._busy and not self._paused and self._reader.held > _AHEAD and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True

    def eof_received(self) -> bool:
        """The sender closed its half: what arrived completely is still answered, where TLS allows it."""
        self._ended = True
        self._awaken()
        return self.tls is None

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        self._deadline = self._site.now + self._site.frame_seconds

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self.resume_writing()
        self._awaken()
        if not self._lost.done():
            self._lost.set_result(None)

    # ------------------------------------------------------------- serving

    async def run(self) -> None:
        """Serve until the connection is closed; cancellation cuts it."""
        try:
            while (frame := await self._next()) is not None:
                self._busy = True
                try:
                    reply = await self._site.answer(self, frame)
                finally:
                    self._busy = False
                    self._release()
                if reply is None or not await self._write(reply):
                    break
            if self._transport is not None:
                self._transport.close()
            await self._lost
        finally:
            self._release()
            if self._transport is not None:
                self._transport.abort()
            if self._opened:
                self._site.closed(self)

    async def _next(self) -> Frame | None:
        """Return the next message, None where there is no further one to serve."""
        reader = self._reader
        while True:
            if self._site.stopping or self._lost.done():
                return None
            frame = reader.next()
            if reader.garbage and not self._bears():
                return None
            if frame is not None:
                self._begun = False
                return frame
            self._grow()
            if self._ended:
                if reader.begun:
                    self._site.count("truncated_frame")
                return None
            self._await_more()
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None

    def _await_more(self) -> None:
        """Set the deadline, and read again where reading was paused."""
        begun = self._reader.begun
        if not begun or not self._begun:
            seconds = self._site.frame_seconds if begun else self._site.idle_seconds
            self._deadline = self._site.now + seconds
        self._begun = begun
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _bears(self) -> bool:
        """Count bytes outside of frames; tell whether the peer may go on."""
        self._site.count("garbage")
        self._garbage += self._reader.garbage
        self._reader.garbage = 0
        return self._garbage <= _GARBAGE_MAX

    def _grow(self) -> None:
        """Ask for memory for a large message before more of it is kept; without, it is dropped up to its end."""
        held = self._reader.held
        if held <= max(_UNASKED, self._admitted):
            return
        size = min(max(self._admitted, 4 * _UNASKED, held), self._site.limit)
        share = self._site.admit(self, size)
        if isinstance(share, str):
            self._reader.give_up(share)
        else:
            self._hold(share)
            self._admitted += size

    def _release(self) -> None:
        self._admitted = 0
        while self._shares:
            self._shares.pop().__exit__(None, None, None)

    def admitted(self, size: int) -> str:
        """Hold a share of memory for a message until it is answered; return why not, "" where it is held."""
        if size <= self._admitted:
            return ""
        share = self._site.admit(self, size - self._admitted)
        if isinstance(share, str):
            return share
        self._hold(share)
        self._admitted = size
        return ""

    def _hold(self, share: Admission) -> None:
        share.__enter__()
        self._shares.append(share)

    async def _write(self, reply: bytes) -> bool:
        """Write, waiting for a sender that reads slowly; tell whether another message may follow."""
        if self._transport is None or self._lost.done():
            return False
        if reply:
            self._transport.write(reply)
            if self._writable is not None:
                await self._writable
        return not self._lost.done()

    def _awaken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # ------------------------------------------------------------- called by the listener

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, not even a part of a message."""
        return not self._busy and not self._reader.begun

    def check(self, now: float) -> None:
        """Cut the connection when it is behind its deadline; called every now and then."""
        if now < self._deadline or self._transport is None:
            return
        if self._writable is not None:
            self._site.count("unread_acknowledgement")
            self._transport.abort()
        elif self._wake is not None:
            self._site.count("slow_frame" if self._begun else "idle_closed")
            self._ended = True
            self._transport.close()
            self._awaken()

    def stop_when_idle(self) -> None:
        """Let the task find out that the listener stops: an idle connection ends now, a busy one after its answer."""
        self._awaken()
