"""Send instances by STOW-RS: one request per instance, streamed from where its bytes are.

Source: DICOM PS3.18 10.5 (Store transaction), 8.7.1 (multipart), annex I.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from uuid import uuid4

import anyio.to_thread

from channels._dicom.part10 import head_of
from channels._dicom.receiving import CONTENT_TYPE
from channels._http.pool import Pool
from channels._http.probing import probed_by_options
from channels._http.requesting import destination_of, request_head, trace_lines
from channels.dicomweb.accepting import JSON
from channels.dicomweb.endpoint import DicomWebEndpoint
from channels.dicomweb.multipart import last_delimiter, part_head
from channels.dicomweb.pieces import pieces_of
from channels.dicomweb.responses import judge_stored
from engine.errors import Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound


class DicomWebOutbound(Outbound):
    """Stores at one service over connections that are kept and used again."""

    config: DicomWebEndpoint

    def __init__(self, config: DicomWebEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._destination = destination_of(
            config.dicomweb, context.tls, allowed=config.allow_addresses, plaintext=config.plaintext
        )
        self._url = config.dicomweb.rstrip("/") + "/studies"
        self._head = request_head("POST", self._url, config.headers)
        self._pool = Pool(self._destination, kept=config.limits.concurrency if config.limits else 4)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def send(self, attempt: Attempt) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + attempt.timeout
        try:
            head = await anyio.to_thread.run_sync(partial(head_of, attempt.body))
        except OSError as error:
            raise Transient("the stored instance cannot be read", code="body") from error
        boundary = uuid4().hex
        before = part_head(boundary, CONTENT_TYPE)  # Orthanc 1.10 passes over a part that says its syntax
        after = b"\r\n" + last_delimiter(boundary)
        size = len(before) + attempt.body.size + len(after)
        lines = (
            f'content-type: multipart/related; type="application/dicom"; boundary={boundary}\r\n'
            f"content-length: {size}\r\naccept: {JSON}\r\n{trace_lines(attempt.headers)}\r\n"
        )
        response = await self._pool.stream(
            self._head + lines.encode("ascii"),
            _enclosed(before, attempt, after),
            seconds=until - loop.time(),
        )
        return judge_stored(response, head.sop_instance, now_ms=self.context.clock.now_ms())

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed_by_options(self._destination, self._head)


async def _enclosed(before: bytes, attempt: Attempt, after: bytes) -> AsyncGenerator[bytes]:
    yield before
    async with aclosing(pieces_of(attempt.body)) as pieces:
        async for piece in pieces:
            yield piece
    yield after
