"""Reads the AMQP frames that pass a relay: which message the broker delivered, and what the consumer answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pamqp import frame
from pamqp.commands import Basic
from pamqp.exceptions import UnmarshalingException
from pamqp.header import ContentHeader, ProtocolHeader

ACK, REJECT, REQUEUE = "ack", "reject", "requeue"


@dataclass(slots=True)
class Answers:
    """What the broker was told of each message, by message_id, over all connections."""

    last: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, message_id: str, word: str) -> None:
        self.last[message_id] = word
        self.changed.set()
        self.changed = asyncio.Event()

    async def of(self, message_id: str) -> str:
        """Wait until the broker was told something about the message."""
        while message_id not in self.last:
            await self.changed.wait()
        return self.last[message_id]


class Tap:
    """One connection: frames of both directions, decoded as they come."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._ids: dict[int, str] = {}
        self._delivering: int | None = None

    def callbacks(self) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """Return what a relay calls with the client's and the server's bytes."""
        return _Frames(self._from_client), _Frames(self._from_server)

    def _from_server(self, found: object) -> None:
        if isinstance(found, Basic.Deliver):
            self._delivering = found.delivery_tag
        elif isinstance(found, ContentHeader) and self._delivering is not None:
            self._ids[self._delivering] = found.properties.message_id or ""
            self._delivering = None

    def _from_client(self, found: object) -> None:
        match found:
            case Basic.Ack(delivery_tag=tag):
                self._answers.tell(self._ids[tag or 0], ACK)
            case (
                Basic.Reject(delivery_tag=tag, requeue=requeue)
                | Basic.Nack(delivery_tag=tag, requeue=requeue)
            ):
                self._answers.tell(self._ids[tag or 0], REQUEUE if requeue else REJECT)


class _Frames:
    """Cuts a byte stream into frames."""

    def __init__(self, take: Callable[[object], None]) -> None:
        self._take = take
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        self._rest += data
        while self._rest:
            try:
                size, _, found = frame.unmarshal(self._rest)
            except UnmarshalingException:
                return
            self._rest = self._rest[size:]
            if not isinstance(found, ProtocolHeader):
                self._take(found)
