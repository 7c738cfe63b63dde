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
from tests.channels.tcp.pipelining import PipeliningSender

_TOLD = {b"AA": Answer.ACCEPTED, b"CA": Answer.ACCEPTED, b"CE": Answer.LATER}


class Hospital(PipeliningSender):
    """Reads which message an answer is about."""

    def __init__(self, config: Any, **asks: str) -> None:
        super().__init__(config)
        self._asks = asks

    def message(self, control_id: str) -> bytes:
        return framed(message(control_id, **self._asks))

    async def read_answer(self, reader: asyncio.StreamReader) -> None:
        await reader.readuntil(START)
        ack = await reader.readuntil(END)
        code, control_id = ack.partition(b"\rMSA|")[2].split(b"\r")[0].split(b"|")[:2]
        refused = Answer.LATER if b"|207^" in ack else Answer.REFUSED
        self.told(control_id.decode(), _TOLD.get(code, refused))


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
