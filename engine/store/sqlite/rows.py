"""Rows as the rest of the engine sees them: deliveries and bodies read through one connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Any

from engine.errors import StoreCorrupt
from engine.model import NOTHING, Body, Delivery, State
from engine.store.protocol import DeliveryRow
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.names import Names
from engine.store.sqlite.statements import statements

_SQL = statements("content")
_DELIVERY = statements("queue")["delivery"]

SUPERSEDES, RECALLS, FALLBACK, TRACED, SEVERAL, AWAITED = 1, 2, 4, 8, 16, 32
"""Bits of deliveries.flags."""

STATES = {int(state): state for state in State}

Row = Sequence[Any]


def lane_of(lane: bytes | None, sequence: int) -> bytes:
    """Return what names a lane outside of the store: its digest, or the sequence for a lane of its own."""
    return sequence.to_bytes(8, "big") if lane is None else lane


def delivery_of(row: Row, names: Names, body: Body | None = None) -> Delivery:
    """Return the delivery in a row of the fragment `delivery` (queue.sql)."""
    texts = names.texts
    flags = row[21]
    return make_delivery(
        (
            row[0],
            row[1],
            row[2],
            texts[row[3]],
            texts[row[4]],
            texts[row[5]],
            lane_of(row[6], row[0]),
            names.chain(row[7]),
            row[8],
            STATES[row[9]],
            *row[10:21],
            flags & SUPERSEDES > 0,
            flags & RECALLS > 0,
            flags & FALLBACK > 0,
            texts[row[22]],
            row[23] or "",
            body,
            row[24],
            None if flags & TRACED else NOTHING,
            _lanes(row[28]) if flags & SEVERAL else (),
        )
    )


def _lanes(text: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(each) for each in text.split(","))


_Draft = make_dataclass(
    "_Draft", [field.name for field in fields(Delivery)], slots=True, eq=False, repr=False
)


def make_delivery(values: tuple[Any, ...]) -> Delivery:
    """Return a delivery from the values of all its fields in their order.

    A frozen dataclass sets its fields one by one through `object.__setattr__`, which for 29 of them takes longer than
    reading the row. A class of the same slots that is not frozen is filled instead, and then becomes a delivery.
    """
    draft = _Draft(*values)
    draft.__class__ = Delivery
    delivery: Delivery = draft
    return delivery


def delivery_row_of(row: Row, names: Names) -> DeliveryRow:
    """Return the archive's view of such a row."""
    return DeliveryRow(delivery_of(row, names), bool(row[25]), row[26], bool(row[27]), row[24])


class Rows:
    """Reads single deliveries and bodies through a cursor: a reader's, or the writer's inside its transaction.

    `flush` writes first what the transaction has put off.
    """

    def __init__(
        self, cursor: Runs, names: Names, folder: Path, flush: Callable[[], None] = lambda: None
    ) -> None:
        self._cursor = cursor
        self._names = names
        self._folder = folder
        self._flush = flush

    def delivery(self, sequence: int) -> Delivery | None:
        """Return a delivery without its body, None when there is none."""
        self._flush()
        rows = self._cursor.execute(_DELIVERY, (sequence,)).fetchall()
        return delivery_of(rows[0], self._names) if rows else None

    def sendable(self, sequence: int) -> Delivery | None:
        """Return a delivery with the body of its current hop, where that is inline and sound."""
        self._flush()
        rows = self._cursor.execute(_DELIVERY, (sequence,)).fetchall()
        if not rows:
            return None
        row = rows[0]
        hops = self._names.chain(row[7])
        body = self._inline(row[1], hops[row[8]].rendering, row[24]) if hops else None
        return delivery_of(row, self._names, body)

    def _inline(self, message: int, role: str, part: int) -> Body | None:
        try:
            row = self.find(message, role, part)
        except StoreCorrupt:
            return None
        if row is None or row[5] is None or hashlib.sha256(row[5]).digest() != row[4]:
            return None  # a file, purged, or damaged: whoever asks the archive for it is told which
        return self.handle(row)

    def find(self, message: int, role: str, part: int) -> Row | None:
        """Return the row (fragment `body`) of content by role, with its bytes; None when there is none."""
        self._flush()
        number = self._names.find("role", role)
        if number is None:
            return None
        cursor = self._cursor
        rows = (
            cursor.execute(_SQL["body"], (message, number, part)).fetchall()
            or cursor.execute(_SQL["body-late"], (message, number, part)).fetchall()
        )
        if not rows:
            return None
        row: Row = rows[0]
        if row[3] is None:
            return row
        shared = self.by_id(row[3])
        if shared is None:
            raise StoreCorrupt(f"content {row[0]} refers to content {row[3]}, which is gone")
        return (row[0], row[1], *shared[2:])

    def by_id(self, number: int) -> Row | None:
        """Return a row of content by its number."""
        rows = self._cursor.execute(_SQL["body-by-id"], (number,)).fetchall()
        return rows[0] if rows else None

    def evidence(self, delivery: int, number: int) -> Row | None:
        """Return the row of an attempt's evidence; None when it has none."""
        rows = self._cursor.execute(_SQL["evidence"], (delivery, number)).fetchall()
        return self.by_id(rows[0][0]) if rows and rows[0][0] is not None else None

    def read(self, message: int, role: str) -> bytes | None:
        """Return content of a message as bytes; None when it is gone or not what its digest says."""
        try:
            row = self.find(message, role, 0)
            data = self.handle(row).read() if row is not None else b""
        except (StoreCorrupt, OSError):
            return None
        return data if row is not None and hashlib.sha256(data).digest() == row[4] else None

    def handle(self, row: Row) -> Body:
        """Return the handle on a row of content, not yet compared with its digest."""
        content_type = self._names.texts[row[1]]
        if row[6] is not None:
            return Body(row[2], row[4], None, self._folder / row[6], content_type)
        data = b"" if row[5] is None else row[5]
        return Body(len(data), row[4], data, None, content_type)
