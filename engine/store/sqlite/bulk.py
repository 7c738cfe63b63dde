"""Rows that are written together: one statement for many, because each start of a statement costs as much as a row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from engine.store.sqlite.cursor import Runs

_TOGETHER = 16


class Bulk:
    """An INSERT of one row, from a .sql file, made ready for many."""

    def __init__(self, sql: str) -> None:
        head, values, row = sql.rpartition("VALUES")
        self._one = sql
        self._many = head + values + ",".join([row] * _TOGETHER)

    def insert(self, cursor: Runs, rows: Sequence[Sequence[object]]) -> None:
        """Write the rows in their order."""
        whole = len(rows) - len(rows) % _TOGETHER
        for start in range(0, whole, _TOGETHER):
            cursor.execute(self._many, tuple(chain.from_iterable(rows[start : start + _TOGETHER])))
        if whole < len(rows):
            cursor.executemany(self._one, rows[whole:])
