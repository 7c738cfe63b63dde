"""Opens what a power cut left with the real store, and compares it with what had been promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from engine.clock import SystemClock
from engine.errors import PasserelleError
from engine.store.sqlite.journal import verify
from engine.store.sqlite.store import open_sqlite
from tests.power.recording import Promised

DATABASE = "passerelle.db"
_IDS = "SELECT id FROM messages"
_FILES = """
SELECT m.id, b.path, CASE WHEN r.name = 'raw' THEN m.sha256 ELSE b.sha256 END
FROM bodies b JOIN messages m ON m.seq = b.message JOIN names r ON r.id = b.role WHERE b.path IS NOT NULL
"""
_WAITING = """
SELECT m.id, m.control FROM deliveries d JOIN messages m ON m.seq = d.message WHERE d.state < 10
"""
Digest = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Found:
    """What the real store says of one state; `waiting` has id, key and seq of what is still to be sent."""

    kept: frozenset[str] = frozenset()
    waiting: tuple[tuple[str, str, int], ...] = ()
    wrong: tuple[str, ...] = ()
    """What is wrong whatever was promised."""
    unopened: str = ""


async def look(folder: Path, digest: Digest) -> Found:
    """Open a state with the real store and read what it holds; `digest` gives a body file's SHA-256."""
    try:
        async with open_sqlite(
            folder / DATABASE, clock=SystemClock(), ballast_bytes=0, fast_commit_ms=1000.0
        ):
            reader = apsw.Connection(str(folder / DATABASE))
            try:
                return _read(reader, folder, digest)
            finally:
                reader.close()
    except PasserelleError as error:
        return Found(unopened=type(error).__name__)


def _read(reader: apsw.Connection, folder: Path, digest: Digest) -> Found:
    wrong = [
        f"content: of {message_id}"
        for message_id, path, sha256 in reader.execute(_FILES)
        if digest(f"{folder}/{DATABASE}.bodies/{path}") != sha256
    ]
    broken_at = verify(reader).broken_at
    if broken_at is not None:
        wrong.append(f"chain: broken at commit {broken_at}")
    waiting = []
    for message_id, control in reader.execute(_WAITING):
        key, _, seq = str(control).rpartition(".")
        waiting.append((message_id, key, int(seq)))
    kept = frozenset(message_id for (message_id,) in reader.execute(_IDS))
    return Found(kept, tuple(waiting), tuple(wrong))


def complaints(found: Found, promised: Promised) -> Iterator[str]:
    """Yield what a state contradicts: each begins with `lost`, `content`, `settled`, `chain` or `unopened`."""
    if found.unopened:
        if promised.acknowledged:
            yield f"unopened: {found.unopened}"
        return
    yield from found.wrong
    yield from (f"lost: {each}" for each in promised.acknowledged - found.kept)
    for message_id, key, seq in found.waiting:
        if seq < promised.begun.get(key, -1):
            yield f"settled: {message_id} is open again, though the next of its key was begun"
