"""A sender that insists: each key's messages one after another, the same id again until a positive reply comes.

Its journal has a line per positive reply: `key seq message-id`. The lines are synced before anybody may rely on them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LARGE_BYTES = 160 * 1024
"""A body above the store's inline limit of 128 KiB, which is kept in a file of its own."""
REPLY_SECONDS = 20.0
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Order:
    """One message to be sent: the `seq`-th of its key."""

    key: str
    seq: int
    padding: int = 0

    @property
    def control_id(self) -> str:
        return f"{self.key}.{self.seq}"

    def body(self) -> bytes:
        """Return the message: JSON with key, seq and padding."""
        return json.dumps({"key": self.key, "seq": self.seq, "pad": "x" * self.padding}).encode()


class Unanswered(Exception):
    """No positive reply came; the same message has to be sent again."""


class Line(Protocol):
    """One connection to the engine, made again when it broke."""

    async def post(self, order: Order) -> str:
        """Send one order and return what the store knows it by; Unanswered."""

    def close(self) -> None:
        """Drop the connection."""


class Sender:
    """Posts orders over `connections` connections; `size` gives each order's padding in bytes."""

    def __init__(
        self, port: int, journal: Path, *, connections: int, rng: random.Random, large_share: float = 0.0
    ) -> None:
        self.port = port
        self.accepted = 0
        self.refused = 0
        self.waiting: set[str] = set()
        """Control ids whose request was written and whose reply has not come."""
        self._rng = rng
        self._large_share = large_share
        self._next = [0] * connections
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.heard: Callable[[], None] = lambda: None

    def sync(self) -> None:
        """Make the journal durable."""
        os.fsync(self._journal)

    def close(self) -> None:
        self.sync()
        os.close(self._journal)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, and then until every message begun has its positive reply."""
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._next)):
                group.create_task(self._worker(number, stop))

    def line(self) -> Line:
        """Return a connection to the engine, not made yet."""
        return Connection(self.port)

    async def _worker(self, number: int, stop: asyncio.Event) -> None:
        line = self.line()
        keys = [f"k{number}-{each}" for each in range(3)]
        seqs = dict.fromkeys(keys, 0)
        try:
            while not stop.is_set():
                key = self._rng.choice(keys)
                large = self._rng.random() < self._large_share
                await self._insist(line, Order(key, seqs[key], LARGE_BYTES if large else 40))
                seqs[key] += 1
        finally:
            line.close()

    async def _insist(self, line: Line, order: Order) -> None:
        while True:
            self.waiting.add(order.control_id)
            try:
                message_id = await line.post(order)
            except Unanswered:
                self.refused += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            finally:
                self.waiting.discard(order.control_id)
            os.write(self._journal, f"{order.key} {order.seq} {message_id}\n".encode())
            self.accepted += 1
            self.heard()
            return


class Connection:
    """One connection to the engine's REST door, made again when it broke."""

    def __init__(self, port: int, path: str = "/v1/orders") -> None:
        self._port = port
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, order: Order) -> str:
        """Send one order and return the message's id from its positive reply.

        Raises:
            Unanswered: the connection broke, time ran out, or the answer was not 2xx.
        """
        body = order.body()
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"idempotency-key: {order.control_id}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        status, reply = await self.exchange(head.encode() + body)
        if status // 100 != 2:
            raise Unanswered(str(status))
        return str(json.loads(reply)["id"])

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Write one request and return status and body of its answer."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(request)
                return await read_answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise Unanswered(type(error).__name__) from error

    def close(self) -> None:
        """Drop the connection; the next request makes another."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of one HTTP/1.1 answer; an interim one (1xx) is passed over."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status >= 200:
            break
    return status, await reader.readexactly(content_length(head.split(b"\r\n")))


def content_length(lines: Sequence[bytes]) -> int:
    """Return the declared length of a body, 0 where there is none."""
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
