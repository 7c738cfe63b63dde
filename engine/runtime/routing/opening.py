"""What expressions see of a message before the first step: its scope, as the reference lists the names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from engine.model import Message
from engine.runtime.routing.board import Board
from engine.spi import Document, Scope


def opening(
    message: Message, document: Document, board: Board, *, now_ms: int, new_id: Callable[[], str]
) -> Scope:
    """Return a fresh scope; every route of a message gets one of its own."""
    return Scope(
        msg=document.root,
        source=document.root,
        meta=_meta(message, document),
        now_ms=now_ms,
        sender=board.directory.entry(message.partner) if message.partner else None,
        tables=board.tables,
        new_id=new_id,
    )


def _meta(message: Message, document: Document) -> dict[str, Any]:
    """Return `meta`: what the channel knows (file name, AE title, ...) beside what every message has."""
    meta: dict[str, Any] = {
        **message.meta,
        "id": message.id,
        "listener": message.listener,
        "selector": message.selector,
        "control_id": message.control_id,
        "content_type": message.content_type,
        "received": _rfc3339(message.received_ms),
        "headers": message.headers,
        "peer": message.peer.address if message.peer else "",
    }
    if document.envelope is not None:
        meta["event"] = document.envelope
    return meta


@lru_cache(maxsize=64)  # messages of one millisecond share it, and those of a burst nearly
def _rfc3339(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
