"""The contract of every way in, for MLLP: in the original mode, and with commit acknowledgements in the enhanced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.mllp.listener import MllpListener
from engine.testing.channels import Answer, InboundContract, Sender
from tests.channels.mllp.serving import LOOPBACK
from tests.channels.mllp.wire import END, START, framed, message

_TOLD = {b"AA": Answer.ACCEPTED, b"CA": Answer.ACCEPTED, b"CE": Answer.LATER}


class Hospital(Sender):
    """Sends over one connection that is opened again when it was closed, without waiting for answers."""

    def __init__(self, config: Any, **asks: str) -> None:
        self.config = config
        self._asks = asks
        self._address = ("", 0)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._count = 0

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
        self._answers[control_id] = asyncio.get_running_loop().create_future()
        self._writer.write(framed(message(control_id, **self._asks)))

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
                await reader.readuntil(START)
                ack = await reader.readuntil(END)
                _, code, control_id = (
                    ack.partition(b"\rMSA|")[2].split(b"\r")[0].join([b"|", b""]).split(b"|")[:3]
                )
                refused = Answer.LATER if b"|207^" in ack else Answer.REFUSED
                self._answers[control_id.decode()].set_result(_TOLD.get(code, refused))
        except (OSError, asyncio.IncompleteReadError):
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_result(Answer.LATER)


class TestOriginal(InboundContract):
    """A hospital that waits for AA, AE or AR."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        hospital = Hospital(MllpListener.model_validate({"mllp": LOOPBACK}))
        try:
            yield hospital
        finally:
            await hospital.close()


class TestEnhanced(InboundContract):
    """A hospital that asks for a commit acknowledgement always, and to hear of the application's errors never."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        hospital = Hospital(MllpListener.model_validate({"mllp": LOOPBACK}), accept="AL", application="NE")
        hospital.refusal = Answer.LATER  # CE: the standard has no commit code for content at fault
        try:
            yield hospital
        finally:
            await hospital.close()
