"""A sender for the contract of HTTP listeners: one connection, requests one after another without waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from engine.testing.channels import Answer, Sender


class Poster(Sender):
    """Posts over one connection that is opened again when it was closed; subclasses write the requests."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self._address = ("", 0)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._count = 0

    def request(self, control_id: str) -> bytes:
        """Return the bytes of one request."""
        raise NotImplementedError

    async def connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        await self._open()

    async def offer(self) -> str:
        self._count += 1
        control_id = f"id-{self._count}"
        await self.offer_again(control_id)
        return control_id

    async def offer_again(self, control_id: str) -> None:
        if self._reading is None or self._reading.done():
            await self._open()
        assert self._writer is not None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._answers[control_id] = future
        self._writer.write(self.request(control_id))

    async def answer(self, control_id: str) -> Answer:
        return await asyncio.shield(self._answers[control_id])

    async def close(self) -> None:
        """Leave."""
        if self._writer is not None:
            self._writer.transport.abort()
        if self._reading is not None:
            await self._reading

    async def _open(self) -> None:
        await self.close()
        reader, self._writer = await asyncio.open_connection(*self._address)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                await reader.readexactly(size)
                self._waiting.popleft().set_result(_answer(int(head.split(" ")[1])))
        except (OSError, asyncio.IncompleteReadError):
            while self._waiting:
                self._waiting.popleft().set_result(Answer.LATER)


def _answer(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer.ACCEPTED
    return Answer.REFUSED if status in (400, 401, 422) else Answer.LATER
