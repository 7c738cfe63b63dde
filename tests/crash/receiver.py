"""A receiver that fails one attempt in five, and a journal of everything that it was asked and what it answered.

A line per attempt: `message-id key seq answer`, written before the answer is: `200` accepted, `503` refused for now,
`cut` not accepted and the connection closed, `lost` accepted, but the connection closed instead of the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.crash.sender import content_length

FAILING_SHARE = 0.2
TAKEN = ("200", "lost")
"""Answers after which the receiver has the message."""


class Receiver:
    """Answers on one port; `received` counts attempts, `taken` the different orders that it has."""

    def __init__(self, journal: Path, *, rng: random.Random, failing: float = FAILING_SHARE) -> None:
        self.failing = failing
        self.received = 0
        self.failed = 0
        self.taken: set[tuple[str, int]] = set()
        self.held_open = asyncio.Event()
        self.held_open.set()
        self._open: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._rng = rng
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        os.fsync(self._journal)
        os.close(self._journal)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it ends."""
        ended = asyncio.Event()
        self._open[writer] = ended
        try:
            with suppress(OSError, EOFError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.transport.abort()
            del self._open[writer]
            ended.set()

    @property
    def serving(self) -> bool:
        """Whether a connection is served."""
        return bool(self._open)

    async def cut(self) -> None:
        """Cut every connection, and return when nobody serves one any more."""
        self.held_open.set()
        waiting = list(self._open.items())
        for writer, _ in waiting:
            writer.transport.abort()
        for _, ended in waiting:
            await ended.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        body = json.loads(await reader.readexactly(content_length(lines)))
        await self.held_open.wait()
        answer = self.judge(lines[0].split()[1].decode(), header(lines, b"webhook-id"), body)
        if answer in ("cut", "lost"):
            return False
        writer.write(f"HTTP/1.1 {answer} -\r\ncontent-length: 0\r\n\r\n".encode())
        return True

    def judge(self, door: str, message_id: str, body: Mapping[str, Any]) -> str:
        """Decide on the answer to an order, and write it into the journal."""
        answer = "400" if door == "/refuse" else self.draw(self.failing)
        self.note(message_id, body["key"], int(body["seq"]), answer)
        return answer

    def draw(self, failing: float) -> str:
        """Return an answer that fails in so large a share."""
        if self._rng.random() >= failing:
            return "200"
        return self._rng.choice(("503", "503", "cut", "lost"))

    def note(self, message_id: str, key: str, seq: int, answer: str) -> None:
        """Write one attempt into the journal."""
        os.write(self._journal, f"{message_id} {key} {seq} {answer}\n".encode())
        self.received += 1
        self.failed += answer != "200"
        if answer in TAKEN:
            self.taken.add((key, seq))


@asynccontextmanager
async def listening(receiver: Receiver, port: int) -> AsyncIterator[None]:
    """Let the receiver answer on a port until the block ends."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, limit=2**20)
    try:
        yield
    finally:
        server.close()
        await asyncio.sleep(0)  # what was accepted in this turn begins to be served now
        while receiver.serving:
            await receiver.cut()
        receiver.close()


def header(lines: list[bytes], name: bytes) -> str:
    """Return a header's value, "" where it is missing."""
    for line in lines[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip().decode("ascii")
    return ""
