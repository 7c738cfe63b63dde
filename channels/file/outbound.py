"""Writes each message as one file, or many as one batch; the same message again is delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from channels._folder import Folder, aside, consequence, extension, name_in, safe
from channels.file.batching import Collection
from channels.file.model import FileEndpoint
from engine.errors import Rejected, Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound

_LOOK_SECONDS = 1.0
"""How often is looked whether a batch is due."""


class FileOutbound(Outbound):
    """Delivers into a folder; `Reply.code` is `written`, `collected` for a batch, or `present` where it was before."""

    config: FileEndpoint

    def __init__(self, config: FileEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        path = context.folder / config.file
        self._folder = Folder(path, context.name, make=config.create)
        self._collection: Collection | None = None
        self._closing: asyncio.Task[None] | None = None
        if config.batch is not None:
            seconds = config.batch.every.total_seconds()
            self._collection = Collection(
                path, context.name, name=self._batch_name, count=config.batch.count, seconds=seconds
            )

    async def __aenter__(self) -> Self:
        await self._folder.open(self.context.logger)
        if self._collection is not None:
            self._closing = asyncio.create_task(self._close_in_time(self._collection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is collected stays, and is taken up at the next start."""
        if self._closing is not None:
            self._closing.cancel()
            await asyncio.wait([self._closing])

    async def send(self, attempt: Attempt) -> Reply:
        if self._collection is None:
            return await self._folder.put(self._name(attempt), attempt)
        try:
            async with asyncio.timeout(attempt.timeout):
                return await self._collect(self._collection, attempt)
        except TimeoutError:
            text = f"the folder {self._folder.path} did not answer within {attempt.timeout:g} s"
            raise Transient(text, sent=True, code="timeout") from None

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await self._folder.probe()

    # ------------------------------------------------------------- batches

    async def _collect(self, collection: Collection, attempt: Attempt) -> Reply:
        now_ms = self.context.clock.now_ms()

        def add() -> str:
            content = attempt.body.read()
            if not content.startswith(b"MSH"):
                raise Rejected("only HL7 messages go into a batch file", code="content_type")
            return collection.add(attempt.message_id, content, now_ms)

        try:
            code = await aside(add)
        except OSError as error:
            raise consequence(error, self._folder.path, sent=True) from error
        return Reply(code, headers={"sha256": attempt.body.sha256.hex()})

    async def _close_in_time(self, collection: Collection) -> None:
        """Close the batch when it is due; what fails is tried again, and said."""
        while True:
            try:
                await aside(partial(collection.close_if_due, self.context.clock.now_ms()))
            except OSError as error:
                self.context.logger.warning(
                    "the batch in %s could not be closed yet",
                    self._folder.path,
                    extra={"action": "batch", "endpoint": self.context.name, "code": error.errno},
                )
            await self.context.clock.sleep(_LOOK_SECONDS)

    def _batch_name(self, identifier: str) -> str:
        if self.config.name is None:
            return safe(identifier) + ".hl7"
        return self.config.name.replace("{id}", safe(identifier)).replace("{kind}", "batch")

    # ------------------------------------------------------------- names

    def _name(self, attempt: Attempt) -> str:
        own = name_in(attempt.content_type)
        if own:
            return safe(own)
        if self.config.name is None:
            return safe(attempt.message_id) + extension(attempt.content_type)
        return self.config.name.replace("{id}", safe(attempt.message_id)).replace(
            "{kind}", safe(attempt.kind)
        )
