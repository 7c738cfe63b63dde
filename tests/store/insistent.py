"""A caller that does what the contract asks: tries again what was rolled back, looks up what is unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from engine.errors import CommitUnknown, Conflict, NotFound, StoreUnavailable
from engine.model import Delivery, State
from engine.store.protocol import (
    NO_KINDS,
    Acceptance,
    Accepted,
    LaneEffect,
    Operation,
    Query,
    Refusal,
    Settled,
    Settlement,
    Verb,
)
from tests.store.faulty import Between, Call, T

ALL = Query(limit=100_000)


class Insistent(Between):
    """A store whose calls always come to an end, over one whose commits fail or lose their answer.

    After a lost answer it says what the rows say; a call without rows of its own is simply made again.
    """

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
        before = len(await self.inner.journal.rows(limit=100_000))
        return await self._unless_known(
            lambda: self.inner.operate(operation), lambda: self._operated(operation, before)
        )

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        before = len(await self.inner.journal.rows(limit=100_000))

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
        mine = await self._heads(lambda each: each.message == row.sequence and each.state is State.PENDING)
        lanes = {each.lane for each in await self._all() if each.message == row.sequence and _overtakes(each)}
        now = acceptance.message.received_ms
        nudged = await self._heads(
            lambda each: each.message != row.sequence and each.lane in lanes and each.due_ms <= now
        )
        return Accepted(row.disposition, row.sequence, row.id, reply.read() if reply else b"", mine, nudged)

    async def _settled(self, settlement: Settlement) -> Settled:
        now = next(each for each in await self._all() if each.sequence == settlement.delivery)
        if now.revision == settlement.revision:
            raise NotFound("nothing was committed")
        if now.revision != settlement.revision + 1:
            raise Conflict("somebody else came first")
        leaves = settlement.state.terminal or settlement.lane is not LaneEffect.KEEP
        left = _places(now) if leaves else set()
        heads = await self._heads(lambda each: each != now and not left.isdisjoint(_places(each)))
        following = [each for each in heads if now.lane in _places(each)]
        spawned = len(settlement.spawn) and [
            each
            for each in await self._heads(lambda each: each.message == now.message)
            if each.sequence != now.sequence
        ]
        others = [each for each in heads if each not in following]
        return Settled(now.revision, following[0] if following else None, spawned or (), others)

    async def _operated(self, operation: Operation, before: int) -> Delivery:
        rows = await self.inner.journal.rows(after=before)
        mine = next((row for row in rows if row.action == operation.verb.value), None)
        if mine is None:
            raise NotFound("nothing was committed")
        sequence = mine.delivery if operation.verb is Verb.RESEND else operation.delivery
        return next(each for each in await self._all() if each.sequence == sequence)

    async def _all(self) -> list[Delivery]:
        return [row.delivery for row in await self.inner.deliveries(ALL)]

    async def _heads(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Return unfinished deliveries that wait behind nobody, in order, with their bodies."""
        rows = await self.inner.deliveries(ALL)
        heads = [row.delivery for row in rows if not row.blocked and not row.delivery.state.terminal]
        found = sorted((each for each in heads if wanted(each)), key=lambda each: each.sequence)
        return [await self._with_body(each) for each in found]

    async def _with_body(self, delivery: Delivery) -> Delivery:
        if not delivery.chain:
            return delivery
        role = delivery.chain[delivery.hop].rendering
        return replace(delivery, body=await self.inner.body(delivery.message, role, delivery.part))


def _places(delivery: Delivery) -> set[bytes]:
    return {delivery.lane, *delivery.also}


def _overtakes(delivery: Delivery) -> bool:
    return delivery.supersedes or delivery.recalls
