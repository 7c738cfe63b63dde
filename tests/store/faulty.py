"""Stores between a test and the real one: their commits come late, fail at first, or lose their answer.

Any implementation must pass the contract behind each of them, and so must whoever calls a store: `Insistent` does what
the contract asks of a caller, tries again what was rolled back and looks up what is unknown.
"""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from engine.errors import CommitUnknown, StoreUnavailable
from engine.model import Body, Delivery, Gathered
from engine.store.imaging import Sought
from engine.store.protocol import (
    NO_KINDS,
    Acceptance,
    Accepted,
    AttemptRow,
    DeliveryRow,
    GatheringRow,
    Health,
    Held,
    InstanceRow,
    Instances,
    Journal,
    JournalRow,
    MessageRow,
    Operation,
    Overtaking,
    Query,
    Record,
    Records,
    Refusal,
    Roster,
    Settled,
    Settlement,
    Store,
    Tally,
    Verification,
)
from engine.store.scheduling import (
    Derive,
    FedRow,
    Narrow,
    Performing,
    Rebuilding,
    Said,
    SaidOfPatient,
    StepRow,
    Worklists,
)

T = TypeVar("T")
Call = Callable[[], Awaitable[T]]


class Between:
    """Passes everything on; what writes goes `through` what a subclass does to it."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self._journal = _Journal(self)
        self._records = _Records(self)
        self._roster = _Roster(self)
        self._instances = _Instances(self)
        self._worklists = _Worklists(self)
        self._rebuilding = _Rebuilding(self)

    @abstractmethod
    async def through(self, call: Call[T]) -> T:
        """Carry out a writing call."""

    # ------------------------------------------------------------- writing

    async def accept(self, acceptance: Acceptance) -> Accepted:
        return await self.through(lambda: self.inner.accept(acceptance))

    async def refuse(self, refusal: Refusal) -> None:
        await self.through(lambda: self.inner.refuse(refusal))

    async def settle(self, settlement: Settlement) -> Settled:
        return await self.through(lambda: self.inner.settle(settlement))

    async def operate(self, operation: Operation) -> Delivery:
        return await self.through(lambda: self.inner.operate(operation))

    async def purge(self, before_ms: int, limit: int, images: Mapping[str, int] = NO_KINDS) -> int:
        return await self.through(lambda: self.inner.purge(before_ms, limit, images))

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        return await self.through(lambda: self.inner.recover(in_send, at_ms))

    # ------------------------------------------------------------- reading

    async def due(self, endpoint: str, now_ms: int, limit: int, after: int = 0) -> Sequence[Delivery]:
        return await self.inner.due(endpoint, now_ms, limit, after)

    async def overdue(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        return await self.inner.overdue(now_ms, limit)

    async def overtaking(self, delivery: Delivery) -> Overtaking:
        return await self.inner.overtaking(delivery)

    async def awaited(self, reference: str) -> Sequence[Delivery]:
        return await self.inner.awaited(reference)

    async def remembered(self, key: str) -> Mapping[str, str]:
        return await self.inner.remembered(key)

    async def outlook(self) -> Mapping[str, int]:
        return await self.inner.outlook()

    async def body(self, message: int, role: str, part: int = 0) -> Body | None:
        return await self.inner.body(message, role, part)

    async def messages(self, query: Query) -> Sequence[MessageRow]:
        return await self.inner.messages(query)

    async def message(self, identifier: str) -> MessageRow:
        return await self.inner.message(identifier)

    async def deliveries(self, query: Query) -> Sequence[DeliveryRow]:
        return await self.inner.deliveries(query)

    async def attempts(self, delivery: int) -> Sequence[AttemptRow]:
        return await self.inner.attempts(delivery)

    async def tally(self) -> Tally:
        return await self.inner.tally()

    async def partner_days(self, since_ms: int) -> Sequence[tuple[str, str, str, int]]:
        return await self.inner.partner_days(since_ms)

    async def health(self) -> Health:
        return await self.inner.health()

    async def backup(self, target: Path) -> None:
        await self.inner.backup(target)

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def records(self) -> Records:
        return self._records

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def instances(self) -> Instances:
        return self._instances

    @property
    def worklists(self) -> Worklists:
        return self._worklists

    @property
    def rebuilding(self) -> Rebuilding:
        return self._rebuilding


class _Journal:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def append(self, action: str, *, actor: str, detail: str, at_ms: int) -> None:
        journal = self._between.inner.journal
        await self._between.through(lambda: journal.append(action, actor=actor, detail=detail, at_ms=at_ms))

    async def rows(
        self, *, after: int = 0, limit: int = 500, message: int = 0, delivery: int = 0
    ) -> Sequence[JournalRow]:
        journal = self._between.inner.journal
        return await journal.rows(after=after, limit=limit, message=message, delivery=delivery)

    async def last(self) -> int:
        return await self._between.inner.journal.last()

    async def verify(self) -> Verification:
        return await self._between.inner.journal.verify()


class _Records:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def get(self, kind: str, name: str) -> Record | None:
        return await self._between.inner.records.get(kind, name)

    async def all(self, kind: str) -> Sequence[Record]:
        return await self._between.inner.records.all(kind)

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
        records = self._between.inner.records
        return await self._between.through(
            lambda: records.put(kind, name, value, at_ms=at_ms, revision=revision, actor=actor, action=action)
        )

    async def delete(self, kind: str, name: str, *, at_ms: int, actor: str = "", action: str = "") -> bool:
        records = self._between.inner.records
        return await self._between.through(
            lambda: records.delete(kind, name, at_ms=at_ms, actor=actor, action=action)
        )


class _Roster:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def enrol(self, kind: str, names: Mapping[str, Sequence[str]]) -> None:
        await self._between.through(lambda: self._between.inner.roster.enrol(kind, names))

    async def names(self, kind: str) -> Sequence[str]:
        return await self._between.inner.roster.names(kind)


class _Instances:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def held(
        self, level: str, uids: Sequence[str], *, limit: int, offset: int = 0
    ) -> Sequence[InstanceRow]:
        return await self._between.inner.instances.held(level, uids, limit=limit, offset=offset)

    async def summaries(
        self,
        level: str,
        *,
        study: str,
        wanted: Callable[[Held], bool],
        holding: Sequence[bytes] = (),
        among: Sequence[Sought] = (),
        limit: int,
        offset: int = 0,
    ) -> Sequence[Held]:
        inner = self._between.inner.instances
        return await inner.summaries(
            level, study=study, wanted=wanted, holding=holding, among=among, limit=limit, offset=offset
        )

    async def ripe(self, now_ms: int, limit: int) -> Sequence[GatheringRow]:
        return await self._between.inner.instances.ripe(now_ms, limit)

    async def next_ms(self) -> int | None:
        return await self._between.inner.instances.next_ms()

    async def gathered(self, gathering: int) -> Sequence[InstanceRow]:
        return await self._between.inner.instances.gathered(gathering)

    async def told(self, gathered: Gathered) -> None:
        await self._between.through(lambda: self._between.inner.instances.told(gathered))


class _Worklists:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def say(
        self, worklist: str, said: Sequence[Said], derive: Derive, *, building: bool = False
    ) -> bool:
        inner = self._between.inner.worklists
        return await self._between.through(lambda: inner.say(worklist, said, derive, building=building))

    async def say_of_patient(
        self, worklist: str, said: SaidOfPatient, derive: Derive, *, building: bool = False
    ) -> bool:
        inner = self._between.inner.worklists
        return await self._between.through(
            lambda: inner.say_of_patient(worklist, said, derive, building=building)
        )

    async def announce(self, performing: Performing) -> None:
        await self._between.through(lambda: self._between.inner.worklists.announce(performing))

    async def conclude(self, message_id: str, derive: Derive, *, durable: bool) -> None:
        inner = self._between.inner.worklists
        await self._between.through(lambda: inner.conclude(message_id, derive, durable=durable))

    async def announced(self) -> Sequence[tuple[str, str]]:
        return await self._between.inner.worklists.announced()

    async def perform(self, performing: Performing, derive: Derive) -> None:
        await self._between.through(lambda: self._between.inner.worklists.perform(performing, derive))

    async def performed(self, worklist: str, uid: str) -> tuple[int, str] | None:
        return await self._between.inner.worklists.performed(worklist, uid)

    async def steps(
        self, worklist: str, narrow: Narrow, *, limit: int, offset: int = 0, after: str = ""
    ) -> Sequence[StepRow]:
        inner = self._between.inner.worklists
        return await inner.steps(worklist, narrow, limit=limit, offset=offset, after=after)


class _Rebuilding:
    def __init__(self, between: Between) -> None:
        self._between = between

    async def begin(self, worklist: str) -> None:
        await self._between.through(lambda: self._between.inner.rebuilding.begin(worklist))

    async def fed(self, endpoints: Sequence[str], *, after: int, limit: int) -> Sequence[FedRow]:
        return await self._between.inner.rebuilding.fed(endpoints, after=after, limit=limit)

    async def told(
        self, listeners: Sequence[str], prefix: str, *, after: int, limit: int
    ) -> Sequence[FedRow]:
        return await self._between.inner.rebuilding.told(listeners, prefix, after=after, limit=limit)

    async def retain(self, worklist: str, derive: Derive) -> int:
        return await self._between.through(lambda: self._between.inner.rebuilding.retain(worklist, derive))

    async def finish(self, worklist: str, *, actor: str, reason: str) -> None:
        inner = self._between.inner.rebuilding
        await self._between.through(lambda: inner.finish(worklist, actor=actor, reason=reason))

    async def sweep(self, worklist: str, before_day: str, before_ms: int, *, building: bool = False) -> int:
        inner = self._between.inner.rebuilding
        return await self._between.through(
            lambda: inner.sweep(worklist, before_day, before_ms, building=building)
        )


class Delayed(Between):
    """Every writing call begins and answers some loop turns late, in an order of its own."""

    def __init__(self, inner: Store, seed: int = 1) -> None:
        super().__init__(inner)
        self._random = random.Random(seed)

    async def through(self, call: Call[T]) -> T:
        await self._turns()
        result = await call()
        await self._turns()
        return result

    async def _turns(self) -> None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)


class Failing(Between):
    """Every other writing call is rolled back before anything of it is durable."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._fails = False

    async def through(self, call: Call[T]) -> T:
        self._fails = not self._fails
        if self._fails:
            raise StoreUnavailable("rolled back, as this test wishes")
        return await call()


class Losing(Between):
    """Every other writing call commits, and nobody hears of it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._loses = False

    async def through(self, call: Call[T]) -> T:
        self._loses = not self._loses
        result = await call()
        if self._loses:
            raise CommitUnknown("the answer was lost, as this test wishes")
        return result
