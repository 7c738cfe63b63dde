"""The journal: what was done, by whom, in rows that are chained by one root per commit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.store.protocol import JournalRow, Verification
from engine.store.sqlite.core import Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import GENESIS, Row, chain_root

_SQL = statements("journal")


class SqliteJournal:
    """`engine.store.protocol.Journal` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def append(self, action: str, *, actor: str, detail: str, at_ms: int) -> None:
        await self._core.group.run(lambda tx: tx.note(action, actor=actor, detail=detail, at_ms=at_ms))

    async def rows(
        self, *, after: int = 0, limit: int = 500, message: int = 0, delivery: int = 0
    ) -> Sequence[JournalRow]:
        core = self._core
        if delivery:
            read = partial(_read, _SQL["rows-of-delivery"], (after, limit, delivery))
        elif message:
            read = partial(_read, _SQL["rows-of-message"], (after, limit, message))
        else:
            read = partial(_read, _SQL["rows"], (after, limit))
        return [
            JournalRow(row[0], commit, at_ms, row[1], row[2] or 0, row[3] or 0, row[4] or "", row[5] or "")
            for row, commit, at_ms in await core.look_aside(read)
        ]

    async def last(self) -> int:
        core = self._core
        newest: int = core.look(lambda: core.cursor.execute(_SQL["ends"]).fetchall()[0][1])
        return newest

    async def verify(self) -> Verification:
        return await self._core.look_aside(verify)


def verify(search: Runs) -> Verification:
    """Walk the chain from its beginning and compare every root; rows without a commit break it as well."""
    search.execute("BEGIN")
    try:
        return _verify(search)
    finally:
        search.execute("COMMIT")


def _verify(search: Runs) -> Verification:
    root, last, commits = GENESIS, 0, 0
    for number, at_ms, end, stored in search.execute(_SQL["commits"]):
        rows: list[Row] = search.execute(_SQL["chained"], (last, end)).fetchall()
        root = chain_root(root, number, at_ms, rows)
        if (
            number != commits + 1
            or root != stored
            or [row[0] for row in rows] != list(range(last + 1, end + 1))
        ):
            return Verification(commits, last, stored, number)
        commits, last = number, end
    rows_end = search.execute(_SQL["ends"]).fetchall()[0][1]
    return Verification(commits, last, root, commits + 1 if rows_end > last else None)


def _read(sql: str, bindings: tuple[int, ...], search: Runs) -> list[tuple[Row, int, int]]:
    """Return journal rows with the number and time of their commits."""
    search.execute("BEGIN")
    try:
        rows: list[Row] = search.execute(sql, bindings).fetchall()
        found: list[tuple[Row, int, int]] = []
        commit = (0, 0, 0)
        for row in rows:
            if row[0] > commit[2]:
                commit = _commit_of(search, row[0])
            found.append((row, commit[0], commit[1] if row[6] is None else row[6]))
        return found
    finally:
        search.execute("COMMIT")


def _commit_of(search: Runs, row: int) -> tuple[int, int, int]:
    """Return (number, time, last row) of the commit that wrote a row."""
    low, high = 1, max(1, search.execute(_SQL["ends"]).fetchall()[0][0])
    while low < high:
        middle = (low + high) // 2
        if search.execute(_SQL["commit"], (middle,)).fetchall()[0][2] < row:
            low = middle + 1
        else:
            high = middle
    commit: tuple[int, int, int] = search.execute(_SQL["commit"], (low,)).fetchall()[0]
    return commit
