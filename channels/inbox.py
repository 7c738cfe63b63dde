"""Channel `inbox`: an embedded sink that keeps each notification as a file, for a site without a message broker.

Everything about a message stands in its file's name and bytes: `<id><extension of the content type>` below
`<var>/inbox/<name>/`. There is no index and no sidecar that could disagree with them.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import unquote

from channels._folder import Folder, aside, extension, safe
from engine.config.models import EndpointConfig, Exposure, Name
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, ChannelType, Outbound

LONGEST_PAGE = 1000


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
        self._folder = Folder(context.var / "inbox" / config.inbox, context.name)

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
        return await self._folder.put(safe(attempt.message_id) + extension(attempt.content_type), attempt)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await self._folder.probe()

    def _prepare(self) -> None:
        os.makedirs(self._folder.path, exist_ok=True)
        self._folder.clean()


@dataclass(frozen=True, slots=True)
class Kept:
    """One message in an inbox: its id, its file, size in bytes, and when it was kept (UTC milliseconds)."""

    message_id: str
    path: Path
    size: int
    kept_ms: int


def read_inbox(folder: Path, *, limit: int = 100, after: str = "") -> Sequence[Kept]:
    """List at most `limit` messages of the inbox `<var>/inbox/<name>`, oldest id first; blocks on the disk.

    `after` is the last id of the page before. Ids sort by time, so pages stay true while messages arrive.

    Raises:
        FileNotFoundError: there is no such inbox.
        ValueError: `limit` is not within 1..1000.
    """
    if not 1 <= limit <= LONGEST_PAGE:
        raise ValueError(f"limit must be 1..{LONGEST_PAGE}, not {limit}")
    with os.scandir(folder) as entries:
        visible = (entry.name for entry in entries if not entry.name.startswith("."))
        page = heapq.nsmallest(
            limit, (name for name in visible if _message_id(name) > after), key=_message_id
        )
    kept = []
    for name in page:
        found = os.lstat(folder / name)
        if stat.S_ISREG(found.st_mode):
            kept.append(Kept(_message_id(name), folder / name, found.st_size, found.st_mtime_ns // 1_000_000))
    return kept


def _message_id(name: str) -> str:
    return unquote(name.rpartition(".")[0] or name)


CHANNEL = ChannelType("inbox", endpoint=InboxEndpoint, outbound=InboxOutbound)
