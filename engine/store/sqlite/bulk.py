"""Rows that are written together: one statement for many, because each start of a statement costs as much as a row."""

from __future__ import annotations

from collections.abc import Sequence

from engine.store.sqlite.cursor import Runs

_TOGETHER = (16, 4, 1)


class Bulk:
    """An INSERT of one row, from a .sql file, made ready for many; rows come as one flat list of their values."""

    def __init__(self, sql: str) -> None:
        head, values, row = sql.rpartition("VALUES")
        width = row.count("?")
        self._sizes = [(rows * width, head + values + ",".join([row] * rows)) for rows in _TOGETHER]

    def insert(self, cursor: Runs, flat: Sequence[object]) -> None:
        """Write the rows in their order."""
        start, end = 0, len(flat)
        for size, sql in self._sizes:
            while end - start >= size:
                cursor.execute(sql, flat[start : start + size])
                start += size
