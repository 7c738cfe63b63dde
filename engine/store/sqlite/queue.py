"""The queue: what is owed. Operations are prepared here, run inside a group, and return after its commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from engine.errors import CommitUnknown
from engine.model import Delivery, Disposition
from engine.store.protocol import (
    Acceptance,
    Accepted,
    Operation,
    Overtaking,
    Refusal,
    Settled,
    Settlement,
)
from engine.store.sqlite import accepting, settling
from engine.store.sqlite.contents import Content, has_files, of_acceptance, of_refusal, of_renderings
from engine.store.sqlite.core import Core
from engine.store.sqlite.instances import twin_of
from engine.store.sqlite.operating import operate
from engine.store.sqlite.rows import Row, delivery_of
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

T = TypeVar("T")

_SQL = statements("queue")
_DUE = _SQL["due"]
_DUE_AFTER = _SQL["due-after"]


class SqliteQueue:
    """`engine.store.protocol.Queue` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def accept(self, acceptance: Acceptance) -> Accepted:
        accepted = await self._accept(acceptance)
        if accepted is None and acceptance.alternates is not None:
            renderings = (*acceptance.renderings, *acceptance.alternates())
            accepted = await self._accept(replace(acceptance, renderings=renderings, alternates=None))
        assert accepted is not None, "nothing is left to ask for"
        return accepted

    async def _accept(self, acceptance: Acceptance) -> Accepted | None:
        core = self._core
        contents = of_acceptance(acceptance)
        work = partial(accepting.accept, rows=core.written, acceptance=acceptance)
        if not has_files(contents):
            return await core.group.run(partial(work, contents=contents), grows=True)
        kept = await core.keep(contents, twin_of(core, acceptance.message))
        accepted = await self._named(kept, partial(work, contents=kept), grows=True)
        if accepted is None or accepted.disposition is Disposition.DUPLICATE:
            await core.drop(kept)
        return accepted

    async def refuse(self, refusal: Refusal) -> None:
        core = self._core
        kept = await core.keep(of_refusal(refusal))
        work = partial(accepting.refuse, rows=core.written, refusal=refusal, contents=kept)
        await self._named(kept, work, grows=True)

    async def due(self, endpoint: str, now_ms: int, limit: int, after: int = 0) -> Sequence[Delivery]:
        number = self._core.names.find("endpoint", endpoint)
        if number is None:
            return []
        if after:
            return self._deliveries(_DUE_AFTER, (number, now_ms, limit, after))
        return self._deliveries(_DUE, (number, now_ms, limit))

    async def overdue(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        return self._deliveries(_SQL["overdue"], (now_ms, limit))

    async def overtaking(self, delivery: Delivery) -> Overtaking:
        names = self._core.names
        route, destination = (
            names.find("route", delivery.route),
            names.find("destination", delivery.destination),
        )
        bindings = (delivery.lane, delivery.sequence, route, destination)
        version, recalled = self._rows(_SQL["overtaking"], bindings)[0]
        return Overtaking(version, bool(recalled))

    async def awaited(self, reference: str) -> Sequence[Delivery]:
        return self._deliveries(_SQL["awaited"], (reference,))

    async def remembered(self, key: str) -> Mapping[str, str]:
        core = self._core
        texts = core.names.texts
        rows = self._rows(_SQL["remembered"], (core.digests.owner(key),))
        return {texts[name]: value.decode() for name, value in rows}

    async def settle(self, settlement: Settlement) -> Settled:
        core = self._core
        work = partial(settling.settle, rows=core.written, settlement=settlement)
        if not settlement.renderings:
            return await core.group.run(work)
        kept = await core.keep(of_renderings(settlement.renderings))
        return await self._named(kept, partial(work, contents=kept), grows=False)

    async def outlook(self) -> Mapping[str, int]:
        texts = self._core.names.texts
        return {texts[number]: due for number, due in self._rows(_SQL["outlook"], ()) if due is not None}

    async def operate(self, operation: Operation) -> Delivery:
        core = self._core
        return await core.group.run(partial(operate, rows=core.written, operation=operation))

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        return await self._core.group.run(partial(settling.recover, in_send=in_send, at_ms=at_ms))

    # ---------------------------------------------------------------- inside

    async def _named(self, kept: list[Content], work: Callable[[Transaction], T], *, grows: bool) -> T:
        """Let `work` join a group and name the files of what it brings; where it fails they go."""
        try:
            return await self._core.group.run(work, grows=grows)
        except CommitUnknown:
            raise  # a row may name the files; if none does, the next start sweeps them
        except Exception:
            await self._core.drop(kept)
            raise

    def _rows(self, sql: str, bindings: tuple[object, ...]) -> list[Row]:
        core = self._core
        return core.look(lambda: core.cursor.execute(sql, bindings).fetchall())

    def _deliveries(self, sql: str, bindings: tuple[object, ...]) -> list[Delivery]:
        names = self._core.names
        return [delivery_of(row, names) for row in self._rows(sql, bindings)]
