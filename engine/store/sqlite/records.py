"""Small durable state with compare-and-set, and the roster of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from engine.audit.vocabulary import Action
from engine.errors import Conflict
from engine.store.protocol import Record
from engine.store.sqlite.core import Core
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("records")

MAX_VALUE_BYTES = 256 * 1024


class SqliteRecords:
    """`engine.store.protocol.Records` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, kind: str, name: str) -> Record | None:
        core = self._core
        rows = core.look(lambda: core.cursor.execute(_SQL["get"], (kind, name)).fetchall())
        return Record(*rows[0]) if rows else None

    async def all(self, kind: str) -> Sequence[Record]:
        core = self._core
        return [
            Record(*row) for row in core.look(lambda: core.cursor.execute(_SQL["all"], (kind,)).fetchall())
        ]

    async def put(
        self,
        kind: str,
        name: str,
        value: str,
        *,
        at_ms: int,
        revision: int | None = None,
        actor: str = "",
        action: str = "",
    ) -> Record:
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise Conflict(f"record {kind}/{name}: a value has at most {MAX_VALUE_BYTES} bytes")
        record = Record(kind, name, value, revision or 0, at_ms)
        return await self._core.group.run(
            partial(_put, record=record, expected=revision, actor=actor, action=action)
        )

    async def delete(self, kind: str, name: str, *, at_ms: int, actor: str = "", action: str = "") -> bool:
        return await self._core.group.run(
            partial(_delete, kind=kind, name=name, at_ms=at_ms, actor=actor, action=action)
        )


class SqliteRoster:
    """`engine.store.protocol.Roster` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def enrol(self, kind: str, names: Mapping[str, Sequence[str]]) -> None:
        await self._core.group.run(partial(_enrol, kind=kind, names=names))

    async def names(self, kind: str) -> Sequence[str]:
        return self._core.names.known(kind)


def _put(tx: Transaction, *, record: Record, expected: int | None, actor: str, action: str) -> Record:
    rows = tx.cursor.execute(_SQL["get"], (record.kind, record.name)).fetchall()
    current: int = rows[0][3] if rows else 0
    if expected is not None and expected != current:
        raise Conflict(f"record {record.kind}/{record.name} is at revision {current}, not {expected}")
    # A record that was deleted and made again must not repeat a revision that somebody still holds.
    revision = max(current, tx.commit) + 1
    tx.cursor.execute(_SQL["put"], (record.kind, record.name, record.value, revision, record.changed_ms))
    if action:
        tx.note(action, actor=actor, detail=f"{record.kind}/{record.name}", at_ms=record.changed_ms)
    return Record(record.kind, record.name, record.value, revision, record.changed_ms)


def _delete(tx: Transaction, *, kind: str, name: str, at_ms: int, actor: str, action: str) -> bool:
    tx.cursor.execute(_SQL["delete"], (kind, name))
    gone = tx.connection.changes() > 0
    if gone and action:
        tx.note(action, actor=actor, detail=f"{kind}/{name}", at_ms=at_ms)
    return gone


def _enrol(tx: Transaction, *, kind: str, names: Mapping[str, Sequence[str]]) -> None:
    changed = tx.names.enrol(tx.cursor, kind, names)
    if changed:
        tx.note(Action.ENROL, detail=f"{kind}: {', '.join(changed)}"[:4000])
