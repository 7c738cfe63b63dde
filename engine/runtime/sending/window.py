"""The first heads that fall due at one endpoint, held in memory; what comes after them stays in the store.

Invariant: every sendable head of the endpoint that is neither in the window nor in flight nor set aside has a (due,
sequence) above `horizon`; a horizon of None says that there is none. So a new head can be taken in or left in the
store without asking it, and a backlog of any length costs a bounded number of entries.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.model import Delivery

Place = tuple[int, int]
"""When a head falls due (UTC ms) and its sequence: the order in which heads are sent."""

START: Place = (0, 0)
"""Before every head: nothing is known of the store."""

LIMIT = 256
"""Heads of one endpoint."""

FLOOR = 8
"""Heads of one endpoint once `TOTAL` is reached."""

TOTAL = 16_384
"""Heads of all endpoints, beyond which each keeps `FLOOR` only."""

BODIES = 16 * 2**20
"""Bytes of bodies that wait in memory; the others are read when their turn comes."""


class Ledger:
    """What the windows of all endpoints hold together."""

    __slots__ = ("bytes", "entries")

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0

    @property
    def limit(self) -> int:
        """Heads that one endpoint may hold now."""
        return LIMIT if self.entries < TOTAL else FLOOR


@dataclass(slots=True)
class Waiting:
    """A head in the window; `seen` says that nothing behind it in its lane can end it, as far as is known."""

    delivery: Delivery
    place: Place
    seen: bool


class Window:
    """The heads of one endpoint in the order of their places."""

    __slots__ = ("_again", "_cursor", "_entries", "_ledger", "_places", "_touched", "horizon")

    def __init__(self, ledger: Ledger, horizon: Place | None = None) -> None:
        self._ledger = ledger
        self._places: list[Place] = []
        self._entries: dict[int, Waiting] = {}
        self._touched: set[int] | None = None
        self._again = False
        self._cursor: Place = START
        self.horizon = horizon

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Waiting]:
        """Yield the heads in order; the window must not change meanwhile."""
        return (self._entries[place[1]] for place in self._places)

    @property
    def first(self) -> Waiting | None:
        """The head that falls due first."""
        return self._entries[self._places[0][1]] if self._places else None

    @property
    def drained(self) -> bool:
        """Whether the store has heads that are wanted here, and nobody reads them yet."""
        return not self._places and self.horizon is not None and self._touched is None

    @property
    def empty(self) -> bool:
        """Whether the endpoint has no head that could be sent, here or in the store."""
        return not self._places and self.horizon is None and self._touched is None

    @property
    def reading(self) -> bool:
        """Whether somebody reads the store for this window."""
        return self._touched is not None

    @property
    def setting_aside(self) -> bool:
        """Whether heads were set aside since the last `forget`."""
        return self._cursor != START

    @property
    def after(self) -> int:
        """The sequence after whose place the store is to be read, 0 = from the beginning."""
        return self._cursor[1]

    def add(self, delivery: Delivery, due_ms: int, *, seen: bool) -> bool:
        """Take a head in, or anew; False when it stays in the store because earlier ones wait there too."""
        if delivery.sequence in self._entries:
            self.pop(delivery.sequence)
        place = (due_ms, delivery.sequence)
        if self._touched is None and self.horizon is not None and place > self.horizon:
            return False
        self._insert(delivery, place, seen=seen)
        if self._touched is None and len(self._places) > self._ledger.limit:
            self._shrink(self._ledger.limit)
            return delivery.sequence in self._entries
        return True

    def get(self, sequence: int) -> Waiting | None:
        return self._entries.get(sequence)

    def pop(self, sequence: int) -> Waiting:
        """Take a head out because it goes to work; KeyError when it is not here."""
        waiting = self._entries.pop(sequence)
        del self._places[bisect_left(self._places, waiting.place)]
        self._ledger.entries -= 1
        body = waiting.delivery.body
        if body is not None and body.data is not None:
            self._ledger.bytes -= body.size
        self.touch(sequence)
        return waiting

    def discard(self, sequence: int) -> None:
        """Take a head out if it is here."""
        if sequence in self._entries:
            self.pop(sequence)

    def set_aside(self, waiting: Waiting) -> None:
        """Leave a head to the store because its route or destination is paused; `forget` brings it back."""
        self.pop(waiting.delivery.sequence)
        stored = (waiting.delivery.due_ms, waiting.delivery.sequence)
        self._cursor = max(self._cursor, stored)

    def touch(self, sequence: int) -> None:
        """Note that a delivery changes now: what a read that began before says of it is stale."""
        if self._touched is not None:
            self._touched.add(sequence)

    def forget(self) -> None:
        """Read the store anew: heads may have appeared, changed or gone without a hint."""
        for waiting in list(self):
            self.pop(waiting.delivery.sequence)
        self._cursor = START
        if self._touched is None:
            self.horizon = START
        else:
            self._again = True

    def begin(self, in_flight: Sequence[int]) -> int:
        """Start to read the store; return how many heads to ask for. `in_flight` is left out of what is read."""
        self._touched = set(in_flight)
        self._again = False
        return self._ledger.limit + len(in_flight)

    def fill(self, heads: Sequence[tuple[Delivery, int]], asked: int, *, leave_out: Container[int]) -> None:
        """Take in what the store returned, with the due times to go by; fewer than `asked` are all there are.

        `leave_out` holds the sequences that somebody works on now.
        """
        touched, self._touched = self._touched or set(), None
        if self._again:
            self._again = False
            self.horizon = START
            return
        self.horizon = None
        for delivery, due_ms in heads:
            sequence = delivery.sequence
            if sequence not in touched and sequence not in self._entries and sequence not in leave_out:
                self._insert(delivery, (due_ms, delivery.sequence), seen=False)
        if len(heads) >= asked:
            last = heads[-1][0]
            self.horizon = (last.due_ms, last.sequence)
        if len(self._places) > asked:
            self._shrink(asked)

    def fail(self) -> None:
        """End a read that returned nothing."""
        self._touched = None

    def shift(self, by_ms: int) -> None:
        """Move all places by `by_ms`: the wall clock was set and in-process delays go on."""
        for waiting in self._entries.values():
            waiting.place = (waiting.place[0] + by_ms, waiting.place[1])
        self._places = sorted(waiting.place for waiting in self._entries.values())

    def _insert(self, delivery: Delivery, place: Place, *, seen: bool) -> None:
        body = delivery.body
        if body is not None and body.data is not None:
            if self._ledger.bytes + body.size > BODIES:
                delivery = replace(delivery, body=None)
            else:
                self._ledger.bytes += body.size
        self._entries[delivery.sequence] = Waiting(delivery, place, seen)
        insort(self._places, place)
        self._ledger.entries += 1

    def _shrink(self, limit: int) -> None:
        """Leave the last ones to the store."""
        while len(self._places) > limit:
            self.pop(self._places[-1][1])
        self.horizon = self._places[-1]
        if self._cursor > self.horizon:
            self._cursor = START
