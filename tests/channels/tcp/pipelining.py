"""A sender for the contract of listeners on TCP: one connection, one message after another without waiting."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from engine.testing.channels import Answer, Sender


class PipeliningSender(Sender):
    """Its connection is opened again when it was closed; subclasses write messages and read answers."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.answers: dict[str, asyncio.Future[Answer]] = {}
        """By the id of the message; in the order in which they were sent last."""
        self._address = ("", 0)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._count = 0

    @abstractmethod
    def message(self, control_id: str) -> bytes:
        """Return the bytes of one message."""

    @abstractmethod
    async def read_answer(self, reader: asyncio.StreamReader) -> None:
        """Read one answer and tell it with `told`; IncompleteReadError where the connection ends."""

    def told(self, control_id: str, answer: Answer) -> None:
        """Take an answer."""
        self.answers[control_id].set_result(answer)

    async def connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        await self._open()

    async def offer(self) -> str:
        self._count += 1
        control_id = f"MSG{self._count:05}"
        await self.offer_again(control_id)
        return control_id

    async def offer_again(self, control_id: str) -> None:
        if self._reading is None or self._reading.done():
            await self._open()
        assert self._writer is not None
        self.answers.pop(control_id, None)
        self.answers[control_id] = asyncio.get_running_loop().create_future()
        self._writer.write(self.message(control_id))

    async def answer(self, control_id: str) -> Answer:
        return await asyncio.shield(self.answers[control_id])

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
                await self.read_answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            for waiting in self.answers.values():
                if not waiting.done():
                    waiting.set_result(Answer.LATER)
