"""Builds a worklist anew beside the one that is asked, in small transactions, and forgets what is past."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from engine.audit.vocabulary import Action
from engine.store.scheduling import Derive, FedRow
from engine.store.sqlite.core import Core
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction
from engine.store.sqlite.worklist import ASKED, BUILT, refresh, targets

_SQL = statements("worklist")
_EVER = 2**62
_RAW = "raw"


class SqliteRebuilding:
    """`engine.store.scheduling.Rebuilding` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def begin(self, worklist: str) -> None:
        await self._core.group.run(partial(_begin, worklist=worklist))
        await self._clear()

    async def fed(self, endpoints: Sequence[str], *, after: int, limit: int) -> Sequence[FedRow]:
        core = self._core
        bindings = (after, self._numbers("endpoint", endpoints), limit)
        rows = await core.look_aside(lambda search: search.execute(_SQL["fed"], bindings).fetchall())
        texts, chain = core.names.texts, core.names.chain
        return [
            FedRow(sequence, message, identifier, texts[kind], chain(hops)[hop].rendering, part, accepted)
            for sequence, message, identifier, kind, hops, hop, part, accepted in rows
        ]

    async def told(
        self, listeners: Sequence[str], prefix: str, *, after: int, limit: int
    ) -> Sequence[FedRow]:
        bindings = (after, self._numbers("listener", listeners), prefix, limit)
        rows = await self._core.look_aside(lambda search: search.execute(_SQL["told"], bindings).fetchall())
        return [
            FedRow(sequence, sequence, identifier, "", _RAW, 0, received)
            for sequence, identifier, received in rows
        ]

    async def retain(self, worklist: str, derive: Derive) -> int:
        group, count = self._core.group, 0
        await group.run(partial(_retain_others, worklist=worklist))
        place: tuple[bytes, bytes] | None = (b"", b"")
        while place is not None:
            work = partial(_retain, worklist=worklist, derive=derive, place=place)
            place, kept = await group.run(work)
            count += kept
        return count

    async def finish(self, worklist: str, *, actor: str, reason: str) -> None:
        await self._core.group.run(partial(_finish, worklist=worklist, actor=actor, reason=reason))
        await self._clear()

    async def sweep(self, worklist: str, before_day: str, before_ms: int, *, building: bool = False) -> int:
        work = partial(
            _sweep, worklist=worklist, before_day=before_day, before_ms=before_ms, building=building
        )
        count = 0
        while gone := await self._core.group.run(work):
            count += gone
        return count

    async def _clear(self) -> None:
        """Remove what is over, in slices."""
        while await self._core.group.run(_clear):
            pass  # each turn is one bounded transaction

    def _numbers(self, kind: str, names: Sequence[str]) -> str:
        found = (self._core.names.find(kind, name) for name in names if name)
        return json.dumps([number for number in found if number is not None])


def _begin(tx: Transaction, *, worklist: str) -> None:
    name = tx.names.id(tx.cursor, "worklist", worklist)
    for number, standing in tx.cursor.execute(_SQL["standing"], (name,)).fetchall():
        if standing == BUILT:
            tx.cursor.execute(_SQL["restand"], (number, 0))
    tx.cursor.execute(_SQL["create"], (name, BUILT)).fetchall()


def _finish(tx: Transaction, *, worklist: str, actor: str, reason: str) -> None:
    name = tx.names.id(tx.cursor, "worklist", worklist)
    rows = tx.cursor.execute(_SQL["standing"], (name,)).fetchall()
    if all(standing != BUILT for _, standing in rows):
        return
    for number, standing in rows:
        if standing == ASKED:
            tx.cursor.execute(_SQL["restand"], (number, 0))
    for number, standing in rows:
        if standing == BUILT:
            tx.cursor.execute(_SQL["restand"], (number, ASKED))
    detail = f"{worklist}: {reason}" if reason else worklist
    tx.note(Action.WORKLIST_REBUILT, actor=actor, detail=detail[:400])


def _both(tx: Transaction, worklist: str) -> tuple[int, int] | None:
    """Return the worklist that is asked and the one that is being built, None where one of them is not there."""
    name = tx.names.id(tx.cursor, "worklist", worklist)
    rows = tx.cursor.execute(_SQL["standing"], (name,)).fetchall()
    found = {standing: number for number, standing in rows}
    return (found[ASKED], found[BUILT]) if len(found) == 2 else None


def _retain_others(tx: Transaction, *, worklist: str) -> None:
    tx.flush_all()
    both = _both(tx, worklist)
    if both is not None:
        for name in ("retained-patients", "retained-performed", "retained-studies"):
            tx.cursor.execute(_SQL[name], both)


def _retain(
    tx: Transaction, *, worklist: str, derive: Derive, place: tuple[bytes, bytes]
) -> tuple[tuple[bytes, bytes] | None, int]:
    """Take over a page of what was said; return where the next begins, None at the end, and how much it was."""
    tx.flush_all()
    both = _both(tx, worklist)
    if both is None:
        return None, 0
    asked, built = both
    cursor = tx.cursor
    rows = cursor.execute(_SQL["retained"], (asked, *place)).fetchall()
    for owner in dict.fromkeys(row[0] for row in rows):
        for kind, digest in cursor.execute(_SQL["retained-known"], (asked, owner)).fetchall():
            cursor.execute(_SQL["know"], (built, kind, digest, owner))
    for owner, digest, at, sequence, message, content in rows:
        cursor.execute(_SQL["say"], (built, owner, at, sequence, digest, message, content))
    for owner in dict.fromkeys(row[0] for row in rows):
        refresh(tx, built, owner, derive)
    return ((rows[-1][0], rows[-1][1]) if rows else None), len(rows)


def _sweep(tx: Transaction, *, worklist: str, before_day: str, before_ms: int, building: bool) -> int:
    tx.flush_all()
    cursor, count = tx.cursor, 0
    for target in targets(tx, worklist, building=building):
        owners = cursor.execute(_SQL["past"], (target, before_day, before_ms)).fetchall()
        for (owner,) in owners:
            _forget(tx, target, owner)
        count += len(owners)
        for name in ("patients-past", "performed-past"):
            cursor.execute(_SQL[name], (target, before_ms))
            count += tx.connection.changes()
        cursor.execute(_SQL["studies-past"], (target,))
    return count


def _forget(tx: Transaction, target: int, owner: bytes) -> None:
    for name in ("steps-forget", "said-forget", "known-forget"):
        tx.cursor.execute(_SQL[name], (target, owner))


def _clear(tx: Transaction) -> int:
    """Remove a slice of what is over; return how much is left to do, 0 at the end."""
    cursor, count = tx.cursor, 0
    for (target,) in cursor.execute(_SQL["over"]).fetchall():
        owners = cursor.execute(_SQL["over-owners"], (target,)).fetchall()
        for (owner,) in owners:
            _forget(tx, target, owner)
        changed = len(owners)
        for name in ("patients-past", "performed-past"):
            cursor.execute(_SQL[name], (target, _EVER))
            changed += tx.connection.changes()
        cursor.execute(_SQL["studies-past"], (target,))
        if not changed:
            cursor.execute(_SQL["gone"], (target,))
        count += changed
    return count
