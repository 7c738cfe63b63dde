"""A caller that does what the contract asks: tries again what was rolled back, looks up what is unknown."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from engine.errors import CommitUnknown, Conflict, NotFound, StoreUnavailable
from engine.model import Delivery, State
from engine.store.protocol import (
    NO_KINDS,
    Acceptance,
    Accepted,
    DeliveryRow,
    LaneEffect,
    Operation,
    Query,
    Refusal,
    Settled,
    Settlement,
    Store,
    Verb,
)
from tests.store.faulty import Between, Call, T

ALL = Query(limit=100_000)


class Insistent(Between):
    """A store whose calls always come to an end, over one whose commits fail or lose their answer.

    After a lost answer it says what the rows say; a call without rows of its own is simply made again.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._rows = _Rows(inner)

    async def through(self, call: Call[T]) -> T:
        while True:
            try:
                return await call()
            except (StoreUnavailable, CommitUnknown):
                continue

    async def accept(self, acceptance: Acceptance) -> Accepted:
        return await self._unless_known(
            lambda: self.inner.accept(acceptance), lambda: self._accepted(acceptance)
        )

    async def refuse(self, refusal: Refusal) -> None:
        async def known() -> bool:
            return (await self.inner.message(refusal.message.id)).id != ""

        await self._unless_known(lambda: self._refuse(refusal), known)

    async def settle(self, settlement: Settlement) -> Settled:
        return await self._unless_known(
            lambda: self.inner.settle(settlement), lambda: self._settled(settlement)
        )

    async def operate(self, operation: Operation) -> Delivery:
        before = await self.inner.journal.last()
        return await self._unless_known(
            lambda: self.inner.operate(operation), lambda: self._operated(operation, before)
        )

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        before = await self.inner.journal.last()

        async def known() -> Sequence[int]:
            rows = await self.inner.journal.rows(after=before)
            return [row.delivery for row in rows if row.action == "recover"]

        return await self._unless_known(lambda: self.inner.recover(in_send, at_ms), known)

    async def purge(self, before_ms: int, limit: int, images: Mapping[str, int] = NO_KINDS) -> int:
        before = await self._purged()
        done = 0
        while done < limit:
            try:
                return done + await self.inner.purge(before_ms, limit - done, images)
            except (StoreUnavailable, CommitUnknown):
                done = await self._purged() - before
        return done

    async def _purged(self) -> int:
        rows = await self.inner.journal.rows(limit=100_000)
        return sum(int(row.detail.split()[0]) for row in rows if row.action == "purge")

    # ------------------------------------------------------------- looking up

    @staticmethod
    async def _unless_known(call: Call[T], known: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except StoreUnavailable:
                continue
            except CommitUnknown:
                try:
                    return await known()
                except NotFound:
                    continue

    async def _refuse(self, refusal: Refusal) -> bool:
        await self.inner.refuse(refusal)
        return True

    async def _accepted(self, acceptance: Acceptance) -> Accepted:
        row = await self.inner.message(acceptance.message.id)
        reply = await self.inner.body(row.sequence, "reply")
        own = await self._rows.of(row.id)
        mine = await self._heads(own, lambda each: each.state is State.PENDING)
        lanes = {each.delivery.lane for each in own if _overtakes(each.delivery)}
        now = acceptance.message.received_ms
        nudged = await self._heads(
            await self._rows.standing_in(lanes),
            lambda each: each.message != row.sequence and each.lane in lanes and each.due_ms <= now,
        )
        return Accepted(row.disposition, row.sequence, row.id, reply.read() if reply else b"", mine, nudged)

    async def _settled(self, settlement: Settlement) -> Settled:
        now = await self._rows.delivery(settlement.delivery)
        if now.revision == settlement.revision:
            raise NotFound("nothing was committed")
        if now.revision != settlement.revision + 1:
            raise Conflict("somebody else came first")
        leaves = settlement.state.terminal or settlement.lane is not LaneEffect.KEEP
        left = _places(now) if leaves else set()
        heads = await self._heads(
            await self._rows.standing_in(left),
            lambda each: each != now and not left.isdisjoint(_places(each)),
        )
        following = [each for each in heads if now.lane in _places(each)]
        spawned = len(settlement.spawn) and await self._heads(
            await self._rows.of(now.message_id), lambda each: each.sequence != now.sequence
        )
        others = [each for each in heads if each not in following]
        return Settled(now.revision, following[0] if following else None, spawned or (), others)

    async def _operated(self, operation: Operation, before: int) -> Delivery:
        rows = await self.inner.journal.rows(after=before)
        mine = next((row for row in rows if row.action == operation.verb.value), None)
        if mine is None:
            raise NotFound("nothing was committed")
        sequence = mine.delivery if operation.verb is Verb.RESEND else operation.delivery
        return await self._rows.delivery(sequence)

    async def _heads(self, rows: Iterable[DeliveryRow], wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Return unfinished deliveries that wait behind nobody, in order, with their bodies."""
        heads = [row.delivery for row in rows if not row.blocked and not row.delivery.state.terminal]
        found = sorted((each for each in heads if wanted(each)), key=lambda each: each.sequence)
        return [await self._with_body(each) for each in found]

    async def _with_body(self, delivery: Delivery) -> Delivery:
        if not delivery.chain:
            return delivery
        role = delivery.chain[delivery.hop].rendering
        return replace(delivery, body=await self.inner.body(delivery.message, role, delivery.part))


class _Rows:
    """Finds deliveries by their messages; of which message a delivery is, and who stands in a lane, the journal tells.

    Every commit has a row there, so that nothing new is missed, and nobody else's rows are read for it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()
        self._read = 0
        self._ids: dict[int, str] = {}
        self._message: dict[int, str] = {}
        self._standing: defaultdict[bytes, set[str]] = defaultdict(set)

    async def of(self, message_id: str) -> Sequence[DeliveryRow]:
        return await self._store.deliveries(replace(ALL, id=message_id))

    async def delivery(self, sequence: int) -> Delivery:
        await self._refresh()
        rows = await self.of(self._message[sequence])
        return next(row.delivery for row in rows if row.delivery.sequence == sequence)

    async def standing_in(self, lanes: Iterable[bytes]) -> Sequence[DeliveryRow]:
        """Return every delivery of the messages that have one in any of these lanes."""
        await self._refresh()
        messages = {each for lane in lanes for each in self._standing[lane]}
        return [row for each in sorted(messages) for row in await self.of(each)]

    async def _refresh(self) -> None:
        """Learn of the messages that the journal named since the last time; one caller reads for all that wait."""
        async with self._reading:
            rows = await self._store.journal.rows(after=self._read, limit=100_000)
            for message in {row.message for row in rows if row.message}:
                for found in await self.of(await self._id_of(message)):
                    self._message[found.delivery.sequence] = found.delivery.message_id
                    for lane in _places(found.delivery):
                        self._standing[lane].add(found.delivery.message_id)
            self._read = max([self._read, *(row.sequence for row in rows)])

    async def _id_of(self, message: int) -> str:
        if message not in self._ids:
            [row] = await self._store.messages(Query(before=message + 1, limit=1))
            self._ids[message] = row.id
        return self._ids[message]


def _places(delivery: Delivery) -> set[bytes]:
    return {delivery.lane, *delivery.also}


def _overtakes(delivery: Delivery) -> bool:
    return delivery.supersedes or delivery.recalls
