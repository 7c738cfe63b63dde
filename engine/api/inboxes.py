"""What the inboxes of this engine hold: folders below `<var>/inbox` in which the channel `inbox` keeps messages.

Everything about a kept message stands in its file: `<id><extension>`, the id percent-encoded where a name cannot
hold it. However many there are, no more than a page of names is held at once.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from anyio.to_thread import run_sync

from engine.api import views
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.views import View
from engine.errors import NotFound

_MOST = 1_000
_PAGE = 100


async def inboxes(control: Control, call: Call) -> View:
    """Inboxes of this engine: their folders, how many messages they hold, and the newest."""
    return {"inboxes": await run_sync(_all, _folder(control))}


async def inbox(control: Control, call: Call) -> View:
    """The messages that one inbox keeps, oldest id first; `after_id` pages. Ids sort by time, so pages stay true."""
    name, limit = call.text("inbox"), max(1, min(call.number("limit", _PAGE), _MOST))
    after = call.text("after_id", "")
    return {"inbox": name, "kept": await run_sync(_page, _folder(control), name, after, limit)}


def _folder(control: Control) -> Path:
    loaded = control.live.loaded()
    return (loaded.root / loaded.app.engine.var / "inbox").absolute()


def _all(folder: Path) -> list[View]:
    return [_summed(folder / name) for name in _names(folder)]


def _names(folder: Path) -> list[str]:
    """Return the inboxes that are there; as many as endpoints name, or once did."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def _summed(folder: Path) -> View:
    count, newest = 0, ""
    for name in _kept(folder):
        count += 1
        newest = max(newest, name)
    return {"inbox": folder.name, "folder": str(folder), "messages": count, "newest": newest or None}


def _page(folder: Path, inbox: str, after: str, limit: int) -> list[View]:
    if inbox not in _names(folder):
        raise NotFound(f'there is no inbox "{inbox}"')
    later = (name for name in _kept(folder / inbox) if _message_id(name) > after)
    page = heapq.nsmallest(limit, later, key=_message_id)
    return [shown for name in page if (shown := _shown(folder / inbox / name))]


def _kept(folder: Path) -> Iterator[str]:
    """Give the names of all files but those that are still being written."""
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if _is_kept(entry))


def _is_kept(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)


def _shown(file: Path) -> View | None:
    """Show one kept message, None where somebody fetched it meanwhile."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return None
    return {
        "message_id": _message_id(file.name),
        "file": str(file),
        "size": found.st_size,
        "kept": views.moment(found.st_mtime_ns // 1_000_000),
    }


def _message_id(name: str) -> str:
    return unquote(name.rpartition(".")[0] or name)
