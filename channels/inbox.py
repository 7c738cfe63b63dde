"""Channel `inbox`: an embedded sink that keeps each notification as a file, for a site without a message broker.

Everything about a message stands in its file's name and bytes: `<id><extension of the content type>` below
`<var>/inbox/<name>/`. There is no index and no sidecar that could disagree with them; the API lists them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from channels._folder import Folder, extension, safe
from engine.config.models import EndpointConfig, Exposure, Name
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, ChannelType, Outbound


class InboxEndpoint(EndpointConfig):
    """Keep each message as a file in the engine's own folder; no server is needed."""

    type: ClassVar[str] = "inbox"

    inbox: Name
    """Name of the inbox: a folder below `inbox` in the engine's own folder. Endpoints may share one."""

    def exposure(self) -> Exposure | None:
        """The engine's own folder is on this machine."""
        return None


class InboxOutbound(Outbound):
    """Keeps each message once; `Reply.code` is `written`, or `present` where it was kept before."""

    config: InboxEndpoint

    def __init__(self, config: InboxEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._folder = Folder(context.var / "inbox" / config.inbox, context.name, make=True)

    async def __aenter__(self) -> Self:
        await self._folder.open(self.context.logger)
        return self

    async def send(self, attempt: Attempt) -> Reply:
        return await self._folder.put(safe(attempt.message_id) + extension(attempt.content_type), attempt)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await self._folder.probe()


CHANNEL = ChannelType("inbox", endpoint=InboxEndpoint, outbound=InboxOutbound)
