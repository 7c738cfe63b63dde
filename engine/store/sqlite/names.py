"""Integers behind names, chains and buckets: read once, extended by the writer, undone when it rolls back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from engine.errors import Conflict
from engine.model import Hop
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.statements import statements

_SQL = statements("ledger")
_DAY_MS = 86_400_000
_REMEMBERED = 4096
"""Short ways kept per kind of look-up; what is forgotten is only looked up the long way again."""


class Names:
    """Everything that is an integer in the rows; dictionary reads on the way in and out.

    Only the writer adds, inside its transaction; `mark` and `undo` keep memory and database in step.
    """

    def __init__(self) -> None:
        self.texts: dict[int, str] = {0: ""}
        self._ids: dict[tuple[str, str], int] = {}
        self._together: dict[tuple[str, ...], dict[tuple[str, ...], tuple[int, ...]]] = {}
        self._same: dict[int, tuple[tuple[Hop, ...], int]] = {}
        self._chains: dict[tuple[Hop, ...], int] = {}
        self._hops: dict[int, tuple[tuple[int, int], ...]] = {}
        self._read: dict[int, tuple[Hop, ...]] = {}
        self._buckets: dict[tuple[int, str, int], int] = {}
        self._months: dict[int, int] = {}
        self._last = 0
        self._log: list[Callable[[], object]] = []

    def load(self, connection: Runs) -> None:
        """Read everything; at the start, and again when memory can no longer be trusted."""
        for known in (self.texts, self._ids, self._chains, self._hops, self._read, self._buckets, self._log):
            known.clear()
        self._forget()
        self.texts[0] = ""
        self._last = 0
        for number, kind, name in connection.execute(_SQL["names"]):
            self.texts[number] = name
            self._ids[kind, name] = number
            self._last = max(self._last, number)
        for number, hops in connection.execute(_SQL["chains"]):
            self._hops[number] = tuple((endpoint, role) for endpoint, role in json.loads(hops))
            self._chains[self.chain(number)] = number
        for number, partner, fate, month in connection.execute(_SQL["buckets"]):
            self._buckets[partner, fate, month] = number

    # ---------------------------------------------------------------- reading

    def find(self, kind: str, name: str) -> int | None:
        """Return the integer of a name, None when nobody used it yet; "" is always 0."""
        return self._ids.get((kind, name)) if name else 0

    def known(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for of, name in self._ids if of == kind)

    def hops(self, chain: int) -> tuple[tuple[int, int], ...]:
        """Return a chain as (endpoint, role) integers."""
        return self._hops[chain]

    def first(self, chain: int) -> int:
        """Return the endpoint that a chain begins with, 0 when it is empty."""
        hops = self._hops[chain]
        return hops[0][0] if hops else 0

    def chain(self, number: int) -> tuple[Hop, ...]:
        """Return a chain under the names that are current."""
        read = self._read.get(number)
        if read is None:
            texts = self.texts
            read = tuple(Hop(texts[endpoint], texts[role]) for endpoint, role in self._hops[number])
            self._read[number] = read
        return read

    # ---------------------------------------------------------------- writing, inside a transaction

    def id(self, cursor: Runs, kind: str, name: str) -> int:
        """Return the integer of a name, making it known; "" is 0."""
        number = self._ids.get((kind, name))
        if number is not None:
            return number
        return self._add_name(cursor, kind, name) if name else 0

    def together(self, cursor: Runs, kinds: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the integers of names that often come together, one of each kind, in one look-up."""
        known = self._together.get(kinds)
        if known is None:
            known = self._together[kinds] = {}
        numbers = known.get(names)
        if numbers is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            numbers = tuple(self.id(cursor, kind, name) for kind, name in zip(kinds, names, strict=True))
            known[names] = numbers
        return numbers

    def chain_id(self, cursor: Runs, hops: tuple[Hop, ...]) -> int:
        """Return the integer of a chain, making it and its names known.

        A route hands in the same tuple again and again: its identity is looked at first, because the hash of a chain
        is computed in Python, hop by hop.
        """
        same = self._same.get(id(hops))
        if same is not None and same[0] is hops:
            return same[1]
        number = self._chains.get(hops)
        if number is None:
            number = self._add_chain(cursor, hops)
        if len(self._same) >= _REMEMBERED:
            self._same.clear()
        self._same[id(hops)] = (hops, number)
        return number

    def bucket_id(self, cursor: Runs, partner: int, fate: str, at_ms: int) -> int:
        """Return the bucket for content of a partner, retention class and month."""
        day = at_ms // _DAY_MS
        month = self._months.get(day)
        if month is None:
            self._months = {day: month_of(at_ms)}
            month = self._months[day]
        number = self._buckets.get((partner, fate, month))
        return self._add_bucket(cursor, partner, fate, month) if number is None else number

    def enrol(self, cursor: Runs, kind: str, names: Mapping[str, Sequence[str]]) -> list[str]:
        """Make names known and let each take over the integer of a former one; return what changed, as text."""
        changed = []
        for name, formerly in names.items():
            if not name:
                raise Conflict(f"a {kind} needs a name")
            if (kind, name) in self._ids:
                continue
            old = next((former for former in formerly if (kind, former) in self._ids), None)
            if old is None or old in names:
                self._add_name(cursor, kind, name)
                changed.append(name)
            else:
                self._rename(cursor, kind, old, name)
                changed.append(f"{old} -> {name}")
        return changed

    def mark(self) -> int:
        """Return a point to which `undo` can go back."""
        return len(self._log)

    def undo(self, mark: int) -> None:
        """Forget what was added since `mark`, after the database did."""
        if len(self._log) > mark:
            self._forget()
        while len(self._log) > mark:
            self._log.pop()()

    def settle(self) -> None:
        """The transaction was committed: nothing of it will be undone."""
        self._log.clear()

    # ---------------------------------------------------------------- inside

    def _forget(self) -> None:
        """Drop the short ways, after anything that may have changed what they lead to."""
        self._together.clear()
        self._same.clear()
        self._read.clear()

    def _add_name(self, cursor: Runs, kind: str, name: str) -> int:
        self._last += 1
        number = self._last
        cursor.execute(_SQL["name-add"], (number, kind, name))
        self._ids[kind, name] = number
        self.texts[number] = name
        self._log.append(lambda: self._drop_name(kind, name, number))
        return number

    def _drop_name(self, kind: str, name: str, number: int) -> None:
        del self._ids[kind, name]
        del self.texts[number]
        self._last = number - 1

    def _rename(self, cursor: Runs, kind: str, old: str, name: str) -> None:
        number = self._ids[kind, old]
        cursor.execute(_SQL["name-change"], (name, number))
        self._point(kind, old, name, number)
        self._log.append(lambda: self._point(kind, name, old, number))

    def _point(self, kind: str, old: str, name: str, number: int) -> None:
        del self._ids[kind, old]
        self._ids[kind, name] = number
        self.texts[number] = name
        self._forget()
        self._chains = {self.chain(chain): chain for chain in self._hops}

    def _add_chain(self, cursor: Runs, hops: tuple[Hop, ...]) -> int:
        numbers = tuple(
            (self.id(cursor, "endpoint", hop.endpoint), self.id(cursor, "role", hop.rendering))
            for hop in hops
        )
        number = len(self._hops) + 1
        cursor.execute(_SQL["chain-add"], (number, json.dumps(numbers, separators=(",", ":"))))
        self._chains[hops] = number
        self._hops[number] = numbers
        self._log.append(lambda: self._drop_chain(hops, number))
        return number

    def _drop_chain(self, hops: tuple[Hop, ...], number: int) -> None:
        del self._chains[hops]
        del self._hops[number]
        self._read.pop(number, None)

    def _add_bucket(self, cursor: Runs, partner: int, fate: str, month: int) -> int:
        number = len(self._buckets) + 1
        cursor.execute(_SQL["bucket-add"], (number, partner, fate, month))
        self._buckets[partner, fate, month] = number
        self._log.append(lambda: self._buckets.pop((partner, fate, month)))
        return number


def month_of(at_ms: int) -> int:
    """Return year * 100 + month in UTC."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.year * 100 + moment.month
