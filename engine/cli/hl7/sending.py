"""Sends messages over MLLP as a partner would: one in flight per connection, each answered before the next is sent."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from engine.cli.hl7.framing import Frames, TooLarge, framed
from engine.clock import Clock
from engine.codecs.hl7v2.answers import read_ack
from engine.codecs.hl7v2.header import header
from engine.errors import MalformedMessage, Transient

_READ: Final = 65_536
GOOD: Final = frozenset({"AA", "CA"})
OTHER: Final = "other id"
"""What an answer counts as whose MSA-2 is not the MSH-10 that was sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and how long to wait for a connection and for an answer, in seconds."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    patience: float


@dataclass(slots=True)
class Tally:
    """What came of it: answers by code of table 0008 and by what went wrong, latencies in seconds."""

    codes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.codes.total()

    @property
    def well(self) -> bool:
        """Whether every message was accepted."""
        return bool(self.codes) and GOOD.issuperset(self.codes)

    def at(self, share: float) -> float:
        """Return the latency that this share of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def send_all(
    target: Target,
    messages: Iterator[bytes],
    *,
    connections: int,
    rate: float | None,
    clock: Clock,
    told: Callable[[], None],
) -> Tally:
    """Send what the iterator gives over several connections, at most `rate` a second together.

    A connection that is lost or silent is opened anew for the next message; what it lost counts as `no answer`.

    Raises:
        Transient: the first connection could not be opened.
    """
    tally = Tally()
    pace = _Pace(rate, clock)
    first = await _opened(target)
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            link = first if number == 0 else None
            group.create_task(_Sender(target, messages, tally, pace, clock, told, link).run())
    return tally


class _Pace:
    """Lets one through at a time, evenly; without a rate at once."""

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._step = 1 / rate if rate else 0.0
        self._clock = clock
        self._next = clock.monotonic()

    async def turn(self) -> None:
        """Return when it is time for the next one."""
        if not self._step:
            return
        now = self._clock.monotonic()
        at = max(self._next, now)
        self._next = at + self._step
        await self._clock.sleep(at - now)


@dataclass(slots=True)
class _Link:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames = field(default_factory=Frames)
    waiting: list[bytes] = field(default_factory=list)

    async def answer(self) -> bytes:
        """Return the next frame; EOFError where the connection ends."""
        while not self.waiting:
            data = await self.reader.read(_READ)
            if not data:
                raise EOFError
            self.waiting += self.frames.feed(data)
        return self.waiting.pop(0)

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass(slots=True)
class _Sender:
    """One connection's share of the work."""

    target: Target
    messages: Iterator[bytes]
    tally: Tally
    pace: _Pace
    clock: Clock
    told: Callable[[], None]
    link: _Link | None

    async def run(self) -> None:
        try:
            for message in self.messages:
                await self.pace.turn()
                self.tally.codes[await self._one(message)] += 1
                self.told()
        finally:
            if self.link is not None:
                self.link.close()

    async def _one(self, message: bytes) -> str:
        """Send one message and return what came of it."""
        try:
            link = self.link = self.link or await _opened(self.target)
        except Transient:
            return "unreachable"
        began = self.clock.monotonic()
        try:
            link.writer.write(framed(message))
            async with asyncio.timeout(self.target.patience):
                await link.writer.drain()
                answer = await link.answer()
        except (OSError, EOFError, TimeoutError, TooLarge):
            link.close()
            self.link = None
            return "no answer"
        self.tally.latencies.append(self.clock.monotonic() - began)
        return self._judged(message, answer)

    def _judged(self, message: bytes, answer: bytes) -> str:
        try:
            ack = read_ack(answer)
        except MalformedMessage:
            return "garbage"
        sent = _control_id(message)
        if ack.control_id != sent:
            return OTHER
        if ack.code not in GOOD:
            said = [" ".join(part for part in (each.location, each.code) if part) for each in ack.errors]
            self.tally.refusals.append((sent, "; ".join(each for each in said if each)))
        return ack.code or "garbage"


def _control_id(message: bytes) -> str:
    try:
        return header(message).control_id
    except MalformedMessage:
        return ""


async def _opened(target: Target) -> _Link:
    """Connect; Transient says to whom that failed and why."""
    try:
        async with asyncio.timeout(target.patience):
            name = target.host if target.tls else None
            reader, writer = await asyncio.open_connection(
                target.host, target.port, ssl=target.tls, server_hostname=name
            )
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer"
        raise Transient(f"{target.host}:{target.port}: {why}", code="unreachable") from error
    return _Link(reader, writer)
