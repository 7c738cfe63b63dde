"""One group's transaction: its cursor, sequences, journal rows and counts, sealed by the root of the chain."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from apsw import Connection
from pydantic_core import to_json

from engine.errors import Conflict
from engine.model import Delivery, Disposition, State
from engine.store.sqlite.bulk import Bulk
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import Digests
from engine.store.sqlite.names import Names
from engine.store.sqlite.queues import Queues
from engine.store.sqlite.standing import Standing
from engine.store.sqlite.statements import statements
from engine.store.sqlite.waiting import Waiting

_SQL = statements("ledger")
_MESSAGES = Bulk(statements("accept")["message-add"])
_BODIES = Bulk(statements("accept")["body-add"])
_CONTROLS = Bulk(statements("accept")["dedup-add"])
_DELIVERIES = Bulk(statements("accept")["delivery-add"])
_ATTEMPTS = Bulk(statements("settle")["attempt-add"])
_ROWS = Bulk(_SQL["journal-add"])
_KEYS = Bulk(statements("accept")["key-add"])
_SETTLE = statements("settle")["settle"]
_UNBLOCK = statements("settle")["unblock"]
_KNOWN = 8192
_OPEN_LANES = statements("settle")["open-lanes"]
_SEVERAL = statements("settle")["further-live"]
_DAY_MS = 86_400_000

GENESIS = hashlib.sha256(b"passerelle").digest()
"""What the first commit's root is chained to."""

Row = tuple[int, str, int | None, int | None, str | None, str | None, int | None]
"""A journal row: sequence, action, message, delivery, actor, detail, time where it is not the commit's."""


class Mark(NamedTuple):
    """Where a transaction stood before one of its operations."""

    message: int
    delivery: int
    body: int
    rows: int
    names: int
    window: int
    open_lanes: int
    several: int
    counts: dict[tuple[int, int, int], int]
    created: int
    days: dict[tuple[int, int, int], int]


class Transaction:
    """What operations write through; one per writer, begun, sealed, and adopted or abandoned for each group.

    Sequences are given here and not by the database, so that rows of several tables refer to each other without a
    question, and rows that nobody reads soon are put off and written together (`flush`). `now_ms` is the group's
    time: every row of a group bears the same.

    `lanes` knows who stands in a lane, for lanes that were seen empty and are not stopped; `known` has standings of
    deliveries that were just made, `waiting` those of them that wait in a lane. All spare reading, are bounded, and are
    forgotten at every rollback. `several` counts the places that are taken beside a first lane: while there are none,
    lanes are looked at the short way. `settled` and `unblocked` are rows to change together, `puts_off` says that this
    may be done: what was known of them is compared only then.
    """

    def __init__(self, connection: Connection, names: Names, digests: Digests) -> None:
        self.connection = connection
        self.cursor: Runs = connection.cursor()
        self.names = names
        self.digests = digests
        self.now_ms = 0
        self.commit = 0
        self.root = b""
        self.message = self.delivery = self.body = 0
        self._journal = 0
        self.rows: list[Row] = []
        """The group's journal rows so far."""
        self._counts: dict[tuple[int, int, int], int] = {}
        self.messages: list[object] = []
        self.bodies: list[object] = []
        self.deliveries: list[object] = []
        self.evidence: list[object] = []
        self.attempts: list[object] = []
        self.controls: dict[tuple[int, int, str], tuple[int, int, int, str, int]] = {}
        self._created = 0
        self._days: dict[tuple[int, int, int], int] = {}
        self.dedup_day = self.key_month = 0
        self.keys: list[object] = []
        self.settled: list[tuple[object, ...]] = []
        self.unblocked: list[int] = []
        self.puts_off = True
        self.lanes = Queues()
        self.known: dict[int, Standing] = {}
        self.waiting = Waiting[Delivery]()
        self.window_ms = 0
        self.open_lanes = 0
        self.several = 0
        self._sealed = b""
        self._clean = Mark(0, 0, 0, 0, 0, 0, 0, 0, {}, 0, {})

    def load(self) -> None:
        """Take up where the database stands."""
        cursor = self.cursor
        self.names.load(self.connection)
        positions = cursor.execute(_SQL["positions"]).fetchall()[0]
        self.message, self.delivery, self.body, self._journal, self.commit = positions
        found = cursor.execute(_SQL["root"], (self.commit,)).fetchall()
        self.root = found[0][0] if found else GENESIS
        window = cursor.execute(_SQL["meta"], ("dedup_window",)).fetchall()
        self.window_ms = window[0][0] if window else 0
        self.open_lanes = cursor.execute(_OPEN_LANES).fetchall()[0][0]
        self.several = cursor.execute(_SEVERAL).fetchall()[0][0]
        self._doubt()

    # ---------------------------------------------------------------- life of a group

    def begin(self, now_ms: int) -> None:
        """Start a group."""
        self.cursor.execute("BEGIN IMMEDIATE")
        self.now_ms = now_ms
        self._clean = self.mark()
        self.lanes.trim()
        if len(self.known) > _KNOWN:
            self.known.clear()

    def seal(self) -> None:
        """Write what the group adds up to: counts, journal rows, and the commit's root over them."""
        self.flush_all()
        if not self.rows:
            return
        cursor = self.cursor
        _ROWS.insert(cursor, list(chain.from_iterable(self.rows)))
        totals: dict[str, int] = {}
        if self._counts:
            cursor.executemany(_SQL["count"], [(*key, n) for key, n in self._counts.items() if n])
        if self._created:
            totals["created"] = self._created
        if self._days:
            cursor.executemany(_SQL["day"], [(*key, n) for key, n in self._days.items()])
            for (_, _, disposition), n in self._days.items():
                word = Disposition(disposition).word
                totals[word] = totals.get(word, 0) + n
        if totals:
            cursor.executemany(_SQL["total"], list(totals.items()))
        last = self.rows[-1][0]
        self._sealed = chain_root(self.root, self.commit + 1, self.now_ms, self.rows)
        cursor.execute(_SQL["commit-add"], (self.commit + 1, self.now_ms, last, self._sealed))

    def flush(self) -> None:
        """Write messages, their content, control ids and deliveries: before anything of this group reads them.

        Raises:
            Conflict: a row that was to be settled is not as it was known; nothing of the group may stand.
        """
        added = self.messages or self.bodies or self.keys or self.deliveries
        if not (added or self.settled or self.unblocked):
            return
        cursor = self.cursor
        _MESSAGES.insert(cursor, self.messages)
        _BODIES.insert(cursor, self.bodies)
        _KEYS.insert(cursor, self.keys)
        _CONTROLS.insert(cursor, list(chain.from_iterable(self.controls.values())))
        _DELIVERIES.insert(cursor, self.deliveries)
        if self.unblocked:
            cursor.executemany(_UNBLOCK, [(sequence,) for sequence in self.unblocked])
        settled = self.settled
        self._put_off()
        if settled:
            before = self.connection.total_changes()
            cursor.executemany(_SETTLE, settled)
            if self.connection.total_changes() - before != len(settled):
                raise Conflict("a delivery is no longer at the revision that was read")

    def flush_all(self) -> None:
        """Write attempts and evidence as well, which nothing on the way of a message reads."""
        self.flush()
        if self.attempts:
            _ATTEMPTS.insert(self.cursor, self.attempts)
            _BODIES.insert(self.cursor, self.evidence)
            self.attempts, self.evidence = [], []

    def adopt(self) -> None:
        """The commit returned: what it wrote is where the next group starts."""
        if self.rows:
            self.commit += 1
            self.root = self._sealed
            self._journal = self.rows[-1][0]
        self._forget()
        self.names.settle()

    def abandon(self) -> None:
        """Nothing of the group is durable: go back to where it began."""
        self.undo(self._clean)
        self._forget()

    def mark(self) -> Mark:
        """Return the place that `undo` goes back to when one operation fails alone."""
        return Mark(
            self.message,
            self.delivery,
            self.body,
            len(self.rows),
            self.names.mark(),
            self.window_ms,
            self.open_lanes,
            self.several,
            dict(self._counts),
            self._created,
            dict(self._days),
        )

    def undo(self, mark: Mark) -> None:
        """Go back in memory as the savepoint did in the database."""
        self.message, self.delivery, self.body = mark.message, mark.delivery, mark.body
        del self.rows[mark.rows :]
        self.names.undo(mark.names)
        self._put_off()
        self.attempts, self.evidence = [], []
        self._counts, self._created, self._days = dict(mark.counts), mark.created, dict(mark.days)
        self.window_ms, self.open_lanes, self.several = mark.window, mark.open_lanes, mark.several
        self._doubt()

    def _put_off(self) -> None:
        self.messages, self.bodies, self.controls, self.deliveries = [], [], {}, []
        self.keys, self.settled, self.unblocked = [], [], []

    def _doubt(self) -> None:
        """Forget what was known without reading: rows were undone, and the next that needs them looks."""
        self.dedup_day = self.key_month = 0
        self.lanes.clear()
        self.known.clear()
        self.waiting.clear()

    def doubt(self, delivery: int) -> None:
        """Forget what is known of a delivery whose row is changed in another way than by a settlement."""
        self.known.pop(delivery, None)
        self.waiting.take(delivery)

    def _forget(self) -> None:
        self.rows = []
        self._counts = {}
        self._created = 0
        self._days = {}

    # ---------------------------------------------------------------- what operations add

    def within(self, window_ms: int) -> None:
        """Remember the longest window of the duplicate check: keys are kept for as long."""
        if window_ms > self.window_ms:
            self.cursor.execute(_SQL["meta-set"], ("dedup_window", window_ms))
            self.window_ms = window_ms

    def note(
        self,
        action: str,
        *,
        message: int | None = None,
        delivery: int | None = None,
        actor: str = "",
        detail: str = "",
        at_ms: int | None = None,
    ) -> None:
        """Add a journal row."""
        self.rows.append(
            (
                self._journal + len(self.rows) + 1,
                action,
                message,
                delivery,
                clean(actor) or None,
                clean(detail) or None,
                None if at_ms == self.now_ms else at_ms,
            )
        )

    def log(self, action: str, message: int, delivery: int | None, detail: str | None) -> None:
        """Add a journal row of the engine's own doing, in words of its own: `note` for the paths of every message."""
        rows = self.rows
        rows.append((self._journal + len(rows) + 1, action, message, delivery, None, detail, None))

    def created(self, route: int, endpoint: int, state: State) -> None:
        """Count a new delivery."""
        key = (route, endpoint, state)
        counts = self._counts
        counts[key] = counts.get(key, 0) + 1
        self._created += 1

    def moved(self, route: int, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Count a delivery that went from one (endpoint, state) to another."""
        if before != after:
            counts = self._counts
            counts[route, *before] = counts.get((route, *before), 0) - 1
            counts[route, *after] = counts.get((route, *after), 0) + 1

    def arrived(self, partner: int, received_ms: int, disposition: Disposition) -> None:
        """Count a message at the door."""
        key = (received_ms // _DAY_MS, partner, disposition)
        days = self._days
        days[key] = days.get(key, 0) + 1


def chain_root(before: bytes, commit: int, at_ms: int, rows: Sequence[Row]) -> bytes:
    """Return the root of a commit: SHA-256 over the root before it and the JSON array of number, time and rows.

    The text is UTF-8 without blanks, `[commit,at,[[seq,action,message,delivery,actor,detail,at],...]]`.
    """
    return hashlib.sha256(before + to_json([commit, at_ms, rows])).digest()


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: half a surrogate pair, from a partner perhaps, stops nothing."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
