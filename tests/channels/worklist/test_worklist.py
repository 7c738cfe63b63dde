"""The endpoint of a worklist: the contract of every way out, and what it hands on of its house."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from channels.worklist import WorklistEndpoint, WorklistOutbound
from engine.errors import CommitUnknown, Permanent, Rejected, StoreUnavailable
from engine.spi import ChannelContext, Narrow, Page, Performed, Told
from engine.testing.channels import Arrival, Behaviour, OutboundContract, Partner, channel_context


class Scripted(Partner):
    """Worklists that behave as they are told; implements `spi.Worklists`."""

    def __init__(self) -> None:
        self.config = WorklistEndpoint(worklist="ris", modality="CT", station="CT1", keep=timedelta(days=2))
        self.retry_after = 7.0
        self.told: list[Told] = []
        self._taken: list[Told] = []
        self._behaviour = Behaviour.ACCEPTS

    async def become(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def arrivals(self) -> Sequence[Arrival]:
        return [Arrival(each.message_id, each.document) for each in self.told]

    async def accepted(self) -> Sequence[Arrival]:
        return [Arrival(each.message_id, each.document) for each in self._taken]

    async def learn(self, worklist: str, told: Told) -> bool:
        if self._behaviour is Behaviour.ABSENT:
            raise StoreUnavailable("the store is away")
        self.told.append(told)
        if self._behaviour is Behaviour.REFUSES:
            raise Rejected("it says nothing to a worklist", code="no_event")
        if self._behaviour is Behaviour.BUSY:
            raise StoreUnavailable("come again", retry_after=self.retry_after)
        if self._behaviour is Behaviour.DROPS:
            raise CommitUnknown("nobody knows")
        if self._behaviour is Behaviour.SILENT:
            await asyncio.Event().wait()
        known = told.message_id in [each.message_id for each in self._taken]
        if not known:
            self._taken.append(told)
        return not known

    async def steps(self, worklist: str, narrow: Narrow, *, limit: int) -> Sequence[str]:
        if self._behaviour is Behaviour.ABSENT:
            raise StoreUnavailable("the store is away")
        return []

    async def page(self, worklist: str, narrow: Narrow, *, limit: int, after: str = "") -> Page:
        raise AssertionError("an endpoint answers no queries")

    async def performed(self, worklist: str, uid: str) -> Performed | None:
        return None

    async def announce(self, worklist: str, performed: Performed, message_id: str) -> None:
        raise AssertionError("an endpoint announces nothing")

    async def conclude(self, message_id: str, *, durable: bool) -> None:
        raise AssertionError("an endpoint concludes nothing")


class TestWorklist(OutboundContract):
    """A worklist is the engine's own store, with every behaviour that a store can have."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[Partner]:
        yield Scripted()

    def context(self, partner: Partner, folder: Path) -> ChannelContext:
        assert isinstance(partner, Scripted)
        return dataclasses.replace(super().context(partner, folder), worklists=partner)

    async def test_what_the_house_adds_travels_along_and_a_copy_is_told(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            first = await channel.send(self.attempt())
            again = await channel.send(self.attempt(2))

        assert isinstance(partner, Scripted)
        assert (first.code, again.code) == ("learned", "known")
        told = partner.told[0]
        assert told.house == {"zone": "America/Toronto", "modality": "CT", "station": "CT1"}
        assert (told.kind, told.delivery, told.keep_ms) == ("appointment-booked", 1, 2 * 86_400_000)

    async def test_without_worklists_another_endpoint_may_do(self, tmp_path: Path) -> None:
        channel = WorklistOutbound(WorklistEndpoint(worklist="ris"), channel_context(tmp_path))

        with pytest.raises(Permanent):
            await channel.send(self.attempt())
        assert [well for _, well, _ in await channel.probe()] == [False]
