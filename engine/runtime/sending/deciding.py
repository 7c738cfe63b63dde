"""Decisions that need no send: supersede and recall, deadlines, relief from a broken endpoint, and what was unnoticed.

They are made whatever gate, breaker or rate says, by a few workers of their own.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.errors import FATAL
from engine.model import Delivery, State
from engine.runtime.sending import decisions
from engine.runtime.sending.policy import EndpointPolicy
from engine.runtime.sending.sender import Concluded, Flying, Sender
from engine.runtime.sending.workers import Job, Workers
from engine.store.protocol import DeliveryRow, Query, Settlement, Store

if TYPE_CHECKING:
    from engine.runtime.sending.turns import Turns

DECIDERS = 16
"""Decisions that wait for their commit side by side, to share one."""

BATCH = 256
"""Rows that one look at the store brings."""

AGAIN_MS = 1_000
"""When to look again after the store could not answer."""

_FAR_MS = 2**62
_MANY = 1_000


class Cause(enum.Enum):
    """Why a head is to be decided on."""

    NUDGED = "something behind it may supersede or recall it"
    DEADLINE = "its deadline has come"
    RELIEF = "its endpoint is disabled, or broken for longer than fallback or budget wait"
    RETURNED = "its destination is configured again"


class Desk:
    """The queue of decisions, and the earliest deadline that is known."""

    def __init__(self, store: Store, clock: Clock, sender: Sender, workers: Workers, turns: Turns) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._workers = workers
        self._turns = turns
        self._queue: deque[tuple[Flying, Cause]] = deque()
        self._deciding = 0
        self._deadline_ms: int | None = None
        self._sweeping = False
        self._looking = False
        self._open_deadlines = 0
        self._swept: asyncio.Future[None] | None = None

    # ------------------------------------------------------------- decisions

    def put(self, delivery: Delivery, cause: Cause) -> None:
        """Have a head decided on, unless somebody works on it already."""
        if delivery.sequence in self._turns.flying:
            return
        self._queue.append((self._turns.claim(delivery), cause))
        self._open_deadlines += cause is Cause.DEADLINE
        if self._deciding < DECIDERS:
            self._deciding += 1
            self._workers.hand(self._decide)

    async def _decide(self) -> Job | None:
        while self._queue:
            flying, cause = self._queue.popleft()
            try:
                await self._one(flying, cause)
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 - logged; the row is as before and comes again
                self._turns.log_failure(error, delivery=flying.delivery.sequence)
                self._turns.put_back(flying)
            self._open_deadlines -= cause is Cause.DEADLINE
            if not self._open_deadlines and self._swept is not None and not self._swept.done():
                self._swept.set_result(None)
        self._deciding -= 1
        return None

    async def _one(self, flying: Flying, cause: Cause) -> None:
        delivery = flying.delivery
        now_ms = self._clock.now_ms()
        if cause is Cause.NUDGED:
            settlement: Settlement | None = await self._sender.look(delivery)
        elif cause is Cause.DEADLINE:
            endpoint = self._turns.policy(delivery.endpoint) or EndpointPolicy(delivery.endpoint, "")
            settlement = self._sender.at_deadline(delivery, endpoint)
        elif cause is Cause.RELIEF:
            settlement = self._sender.given_up(delivery, now_ms)
        else:
            settlement = decisions.returned(delivery, now_ms)
        if settlement is None:
            self._turns.let_go(flying, seen=not flying.nudged)
            return
        concluded: Concluded | None = await self._sender.conclude(delivery, settlement)
        self._turns.land(flying, concluded)

    # ------------------------------------------------------------- deadlines

    @property
    def next_ms(self) -> int | None:
        """When the next deadline comes, as far as is known."""
        return None if self._sweeping or not self._turns.running else self._deadline_ms

    def note(self, deadline_ms: int | None) -> None:
        """Take a deadline into account."""
        if deadline_ms is not None and (self._deadline_ms is None or deadline_ms < self._deadline_ms):
            self._deadline_ms = deadline_ms
            self._turns.wake_earlier(deadline_ms)

    async def start(self) -> None:
        """Learn the first deadline from the store."""
        await self._peek()

    def strike(self, now_ms: int) -> None:
        """Begin to decide on what is overdue at `now_ms`."""
        deadline_ms = self.next_ms
        if deadline_ms is not None and deadline_ms <= now_ms:
            self._sweeping = True
            self._workers.hand(self._sweep)

    async def _sweep(self) -> Job | None:
        """Decide on every overdue head, batch by batch, then learn the next deadline."""
        try:
            while self._turns.running:
                flying = min(len(self._turns.flying), _MANY)
                rows = await self._store.overdue(self._clock.now_ms(), BATCH + flying)
                rows = [row for row in rows if row.sequence not in self._turns.flying]
                if not rows:
                    break
                self._swept = asyncio.get_running_loop().create_future()
                for row in rows:
                    self.put(row, Cause.DEADLINE)
                await self._swept
            await self._peek()
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - logged; looked at again later
            self._turns.log_failure(error)
            self._deadline_ms = self._clock.now_ms() + AGAIN_MS
        finally:
            self._swept = None
            self._sweeping = False
        return None

    async def _peek(self) -> None:
        """Learn the earliest deadline of what nobody works on; who works on one notes its next deadline himself."""
        self._deadline_ms = None
        flying = min(len(self._turns.flying), _MANY)
        rows = await self._store.overdue(_FAR_MS, flying + 1)
        self.note(next((row.deadline_ms for row in rows if row.sequence not in self._turns.flying), None))

    # ------------------------------------------------------------- what no hint told

    def look(self) -> None:
        """Compare what is known with the store, in the background."""
        if not self._looking:
            self._looking = True
            self._workers.hand(self._compare)

    async def _compare(self) -> Job | None:
        """Find heads that no hint brought: a commit whose caller was cancelled before it could tell."""
        turns = self._turns
        try:
            earliest = await self._store.outlook()
            first_flying: dict[str, int] = {}
            for flying in turns.flying.values():
                due = flying.delivery.due_ms
                first_flying[flying.endpoint] = min(due, first_flying.get(flying.endpoint, due))
            for name, due_ms in earliest.items():
                lanes = turns.at(name)
                first = lanes.window.first
                known = first is not None and first.place[0] <= due_ms
                worked_on = first_flying.get(name, due_ms + 1) <= due_ms
                if not (known or worked_on or lanes.window.reading or lanes.window.setting_aside):
                    turns.reread(lanes)
            rows = await self._store.overdue(self._clock.now_ms(), 1)
            for row in rows:
                if row.sequence not in turns.flying:
                    self.note(row.deadline_ms)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - logged; looked at again later
            self._turns.log_failure(error)
        finally:
            self._looking = False
        return None

    def unpark(self) -> None:
        """Put what was parked for a missing destination back to its place, where that exists again."""
        self._workers.hand(self._unpark)

    async def _unpark(self) -> Job | None:
        before = 0
        try:
            while rows := await self._store.deliveries(
                Query(states=(State.PARKED,), before=before, limit=BATCH)
            ):
                for row in rows:
                    if self._is_back(row):
                        self.put(row.delivery, Cause.RETURNED)
                if len(rows) < BATCH:
                    break
                # The last message may have more than this page showed, unless the page was all its own.
                last = min(row.delivery.message for row in rows)
                before = last if before == last + 1 else last + 1
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - logged; looked at again later
            self._turns.log_failure(error)
        return None

    def _is_back(self, row: DeliveryRow) -> bool:
        delivery = row.delivery
        reachable = any(self._turns.policy(hop.endpoint) for hop in delivery.chain[delivery.hop :])
        return delivery.reason == "removed" and reachable and self._sender.knows(delivery)
