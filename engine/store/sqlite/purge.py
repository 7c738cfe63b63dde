"""Retention: drop content whose time is over, in small transactions, and give the space back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from engine.audit.vocabulary import Action
from engine.store.sqlite.contents import ABOUT, LATE_KEYS
from engine.store.sqlite.core import Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.instances import forget_instance
from engine.store.sqlite.names import month_of
from engine.store.sqlite.rows import Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("purge")
_META = statements("ledger")
_DAY_MS = 86_400_000
_FLOOR = "purge_floor"

SLICE = 50
"""Messages in one transaction: deleting overwrites, and the loop must not wait for it."""

DEDUP_SLICE = 500
VACUUM_SLICES = 64
SPARE_PAGES = 256
"""Free pages that stay in the file, for what is written next."""


async def purge(core: Core, before_ms: int, limit: int, images: Mapping[str, int]) -> int:
    """Drop the content of ended messages that arrived before `before_ms`; return how many there were.

    Of DICOM instances, `images` says another moment by SOP class or modality.

    A message stays whole while one of its deliveries has not ended or is a dead letter that needs a human. Rows of
    messages, deliveries, attempts and the journal stay. Duplicate keys go when no window reaches them any more.
    """
    floor, candidates = await core.look_aside(partial(_candidates, before_ms, limit, images))
    done = 0
    for start in range(0, len(candidates), SLICE):
        part = candidates[start : start + SLICE]
        paths = await core.group.run(partial(_purge_slice, rows=core.written, sequences=part, floor=floor))
        done += len(paths)
        await core.drop_files([path for found in paths for path in found])
    while await core.group.run(_forget_duplicates) >= DEDUP_SLICE:
        pass  # each turn is one bounded transaction
    for _ in range(VACUUM_SLICES):
        if await core.group.run(_vacuum) <= SPARE_PAGES:
            break
    if core.failure.full:
        await core.group.shrink()
    return done


def _candidates(before_ms: int, limit: int, images: Mapping[str, int], search: Runs) -> tuple[int, list[int]]:
    """Return the first message with content, and what may go."""
    stored = search.execute(_META["meta"], (_FLOOR,)).fetchall()
    found = search.execute(_SQL["floor"], (stored[0][0] if stored else 0,)).fetchall()
    floor = found[0][0] if found else 0
    if images:
        latest = max(before_ms, *images.values())
        bindings = (floor, before_ms, limit, json.dumps(dict(images)), latest)
        return floor, [row[0] for row in search.execute(_SQL["candidates-by-kind"], bindings)]
    return floor, [row[0] for row in search.execute(_SQL["candidates"], (floor, before_ms, limit))]


def _purge_slice(tx: Transaction, *, rows: Rows, sequences: list[int], floor: int) -> list[list[str]]:
    """Drop what is still over; return the files to remove, a list per message."""
    cursor = tx.cursor
    tx.flush_all()
    cursor.execute(_META["meta-set"], (_FLOOR, floor))
    purged = []
    for sequence in sequences:
        found = cursor.execute(_SQL["ended"], (sequence,)).fetchall()
        if not found:
            continue
        first, count, received = found[0]
        purged.append(
            [path for (path,) in cursor.execute(_SQL["paths"], (sequence, first, count)).fetchall()]
        )
        _forget_keys(tx, rows, sequence, received)
        forget_instance(tx, sequence)
        cursor.execute(_SQL["evidence-forget"], (sequence,))
        cursor.execute(_SQL["evidence-unlink"], (sequence,))
        cursor.execute(_SQL["memory-forget"], (sequence,))
        cursor.execute(_SQL["learners-forget"], (sequence,))
        cursor.execute(_SQL["late-forget"], (sequence,))
        cursor.execute(_SQL["bodies-forget"], (first, count))
        cursor.execute(_SQL["purged"], (sequence,))
    if purged:
        tx.note(Action.PURGE, detail=f"{len(purged)} messages")
    return purged


def _forget_keys(tx: Transaction, rows: Rows, message: int, received_ms: int) -> None:
    month = month_of(received_ms)
    for role in (ABOUT, LATE_KEYS):
        row = rows.find(message, role, 0)
        if row is None:
            continue
        try:
            keys = json.loads(rows.handle(row).read()).get("keys", [])
        except (ValueError, OSError):
            continue  # damaged content names no keys; its rows find nothing any more
        for name, value in keys:
            number = tx.names.id(tx.cursor, "key", name)
            tx.cursor.execute(_SQL["keys-forget"], (month, number, tx.digests.key(number, value), message))


def _forget_duplicates(tx: Transaction) -> int:
    tx.flush_all()
    day = (tx.now_ms - tx.window_ms) // _DAY_MS - 1
    tx.cursor.execute(_SQL["dedup-forget"], (day, DEDUP_SLICE))
    removed = tx.connection.changes()
    tx.cursor.execute(_SQL["dedup-days-forget"], (day,))
    return removed


def _vacuum(tx: Transaction) -> int:
    """Give a slice of free pages back; return how many are left."""
    free: int = tx.cursor.execute(_SQL["free-pages"]).fetchall()[0][0]
    if free > SPARE_PAGES:
        tx.cursor.execute(_SQL["vacuum"]).fetchall()
    return free
