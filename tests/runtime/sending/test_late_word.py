"""A decision's commit is heard of late: the next of the lane, read from the store meanwhile, is sent once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from engine.clock import Clock
from engine.errors import Transient
from engine.model import Attempt, Reply, State
from engine.store.protocol import Settled, Settlement, Store
from tests.runtime.sending.house import EMR, OK, house

ABSENT = Transient("absent", code="absent")


class HeardLate:
    """A store whose recall is committed, and whose word of it comes when `told` is set."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self.committed, self.told = anyio.Event(), anyio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def settle(self, settlement: Settlement) -> Settled:
        done = await self._store.settle(settlement)
        if settlement.state is State.RECALLED:
            self.committed.set()
            await self.told.wait()
        return done


async def test_a_cancellation_read_before_the_recall_is_heard_of_is_sent_once(tmp_path: Path) -> None:
    stores: list[HeardLate] = []

    def wrap(store: Store, clock: Clock) -> Any:
        stores.append(HeardLate(store, clock))
        return stores[0]

    async with house(tmp_path, wrap=wrap) as home, home.open():
        late = stores[0]

        answered = anyio.Event()

        async def take(attempt: Attempt) -> Reply:
            await answered.wait()
            return OK

        home.scripts[EMR] = [ABSENT, take, OK]
        await home.accept(lane="a", text="booked")
        await home.quiet()
        await home.accept(lane="a", text="cancelled", recalls=True)
        await late.committed.wait()
        home.dispatcher.kick(EMR)  # an operator released something of the same endpoint
        for event in (late.told, answered):
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            event.set()
        await home.quiet()
        assert [sent.body for sent in home.sent] == [b"booked", b"cancelled"]
