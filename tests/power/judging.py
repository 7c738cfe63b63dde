"""Opens what a power cut left with the real store, and compares it with what had been promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import apsw

from engine.clock import SystemClock
from engine.errors import PasserelleError
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


async def complaints(folder: Path, promised: Promised) -> list[str]:
    """Return what the state contradicts: each begins with `lost`, `content`, `settled`, `chain` or `unopened`."""
    try:
        async with open_sqlite(
            folder / DATABASE, clock=SystemClock(), ballast_bytes=0, fast_commit_ms=1000.0
        ) as store:
            found = list(_compared(folder, promised))
            verified = await store.journal.verify()
    except PasserelleError as error:
        return [f"unopened: {type(error).__name__}"] if promised.acknowledged else []
    if verified.broken_at is not None:
        found.append(f"chain: broken at commit {verified.broken_at}")
    return found


def _compared(folder: Path, promised: Promised) -> Iterator[str]:
    reader = apsw.Connection(str(folder / DATABASE))
    try:
        kept = {message_id for (message_id,) in reader.execute(_IDS)}
        yield from (f"lost: {each}" for each in promised.acknowledged - kept)
        for message_id, path, sha256 in reader.execute(_FILES):
            file = folder / f"{DATABASE}.bodies" / path
            if not file.exists() or hashlib.sha256(file.read_bytes()).digest() != sha256:
                yield f"content: of {message_id}"
        for message_id, control in reader.execute(_WAITING):
            key, _, seq = str(control).rpartition(".")
            if int(seq) < promised.begun.get(key, -1):
                yield f"settled: {message_id} is open again, though the next of its key was begun"
    finally:
        reader.close()
