"""Writes each message as one file; the same message again finds its file and is delivered once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from channels._folder import Folder, extension, name_in, safe
from channels.file.model import FileEndpoint
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound


class FileOutbound(Outbound):
    """Delivers into a folder; `Reply.code` is `written`, or `present` where the same file stood there already."""

    config: FileEndpoint

    def __init__(self, config: FileEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._folder = Folder(context.folder / config.file, context.name, make=config.create)

    async def __aenter__(self) -> Self:
        await self._folder.open(self.context.logger)
        return self

    async def send(self, attempt: Attempt) -> Reply:
        return await self._folder.put(self._name(attempt), attempt)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await self._folder.probe()

    def _name(self, attempt: Attempt) -> str:
        own = name_in(attempt.content_type)
        if own:
            return safe(own)
        if self.config.name is None:
            return safe(attempt.message_id) + extension(attempt.content_type)
        return self.config.name.replace("{id}", safe(attempt.message_id)).replace(
            "{kind}", safe(attempt.kind)
        )
