"""A sender for the contract of HTTP listeners: requests one after another without waiting."""

from __future__ import annotations

import asyncio

from engine.testing.channels import Answer
from tests.channels.tcp.pipelining import PipeliningSender


class Poster(PipeliningSender):
    """HTTP answers in the order of the requests, without saying which it answers; subclasses write the requests."""

    async def read_answer(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await reader.readexactly(size)
        oldest = next(control_id for control_id, waiting in self.answers.items() if not waiting.done())
        self.told(oldest, _answer(int(head.split(" ")[1])))


def _answer(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer.ACCEPTED
    return Answer.REFUSED if status in (400, 401, 409, 422) else Answer.LATER
