"""The queue: what is owed. Operations are prepared here, run inside a group, and return after its commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from engine.store.sqlite.contents import Content, of_acceptance, of_refusal, of_renderings
from engine.store.sqlite.core import Core
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
        written = self._core.written
        return await self._commit(
            of_acceptance(acceptance),
            lambda tx, contents: accepting.accept(tx, written, acceptance, contents),
            grows=True,
        )

    async def refuse(self, refusal: Refusal) -> None:
        await self._commit(
            of_refusal(refusal), lambda tx, contents: accepting.refuse(tx, refusal, contents), grows=True
        )

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

    async def settle(self, settlement: Settlement) -> Settled:
        written = self._core.written
        contents = of_renderings(settlement.renderings) if settlement.renderings else []
        return await self._commit(
            contents, lambda tx, contents: settling.settle(tx, written, settlement, contents), grows=False
        )

    async def outlook(self) -> Mapping[str, int]:
        texts = self._core.names.texts
        return {texts[number]: due for number, due in self._rows(_SQL["outlook"], ()) if due is not None}

    async def operate(self, operation: Operation) -> Delivery:
        core = self._core
        return await core.group.run(partial(operate, rows=core.written, operation=operation))

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        return await self._core.group.run(partial(settling.recover, in_send=in_send, at_ms=at_ms))

    # ---------------------------------------------------------------- inside

    async def _commit(
        self, contents: list[Content], work: Callable[[Transaction, list[Content]], T], *, grows: bool
    ) -> T:
        """Let `work` join a group; where content is large, write its files first, and drop what no row names."""
        core = self._core
        if not any(content.source for content in contents):
            return await core.group.run(lambda tx: work(tx, contents), grows=grows)
        core.failure.check(grows=grows)
        kept = await core.keep(contents)
        try:
            result = await core.group.run(lambda tx: work(tx, kept), grows=grows)
        except CommitUnknown:
            raise  # a row may name the files; if none does, the next start sweeps them
        except Exception:
            await core.drop(kept)
            raise
        if isinstance(result, Accepted) and result.disposition is Disposition.DUPLICATE:
            await core.drop(kept)
        return result

    def _rows(self, sql: str, bindings: tuple[object, ...]) -> list[Row]:
        core = self._core
        return core.look(lambda: core.cursor.execute(sql, bindings).fetchall())

    def _deliveries(self, sql: str, bindings: tuple[object, ...]) -> list[Delivery]:
        names = self._core.names
        return [delivery_of(row, names) for row in self._rows(sql, bindings)]
