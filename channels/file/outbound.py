"""Writes each message as one file; the same message again finds its file and is delivered once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

from channels._folder import Folder, aside, extension, safe
from channels.file.model import FileEndpoint
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound


class FileOutbound(Outbound):
    """Delivers into a folder; `Reply.code` is `written`, or `present` where the same file stood there already."""

    config: FileEndpoint

    def __init__(self, config: FileEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._folder = Folder(context.folder / config.file, context.name)

    async def __aenter__(self) -> Self:
        try:
            await aside(self._prepare)
        except OSError as error:
            self.context.logger.warning(
                "the folder %s is not ready",
                self._folder.path,
                extra={"action": "folder_not_ready", "endpoint": self.context.name, "code": error.errno},
            )
        return self

    async def send(self, attempt: Attempt) -> Reply:
        return await self._folder.put(self._name(attempt), attempt)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await self._folder.probe()

    def _prepare(self) -> None:
        if self.config.create:
            os.makedirs(self._folder.path, exist_ok=True)
        self._folder.clean()

    def _name(self, attempt: Attempt) -> str:
        if self.config.name is None:
            return safe(attempt.message_id) + extension(attempt.content_type)
        return self.config.name.replace("{id}", safe(attempt.message_id)).replace(
            "{kind}", safe(attempt.kind)
        )
