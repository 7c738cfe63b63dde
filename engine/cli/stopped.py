"""Answers the API's calls on a stopped store: the same operations, in this process, under the store's lock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from engine.api.callers import user
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.problems import NotRunning
from engine.api.table import answer, find, placed
from engine.clock import SystemClock
from engine.store import open_store

View = dict[str, Any]


class StoppedStore:
    """Holds the store open while its `with` block runs; raises what opening a store raises."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clock = SystemClock()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        try:
            self._control = self._runner.run(self._open())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        patience: float = 0.0,
    ) -> View:
        """Return what the operation answers; `patience` does not apply, nobody else is waited for."""
        return self._runner.run(answer(self._control, method, path, self._call(query, body)))

    def stream(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[View]:
        """Give a stream's lines up to the first pause: on a stopped store nothing more can come."""
        operation, values = find("GET", path)
        if operation.stream is None:
            raise NotRunning(f"{path} is no stream")
        call = self._call(query, None)
        rows = operation.stream(self._control, placed(call, values))
        while row := self._runner.run(_next(rows)):
            yield row
        self._runner.run(_closed(rows))

    async def _open(self) -> Control:
        store = await self._stack.enter_async_context(
            open_store(self._url, clock=self._clock, must_exist=True)
        )
        return Control(store, self._clock)

    def _call(self, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> Call:
        given = {
            name: str(value) if value is not True else "true"
            for name, value in (query or {}).items()
            if value not in (None, "", False)
        }
        content = {name: value for name, value in (body or {}).items() if value not in (None, "", False)}
        return Call(query=given, body=content, actor=user(os.getuid()), now_ms=self._clock.now_ms())


async def _next(rows: AsyncIterator[View]) -> View:
    """Return the next line, an empty object at the end."""
    return await anext(rows, {})


async def _closed(rows: Any) -> None:
    await rows.aclose()
