"""A store without an engine, filled through its contract, and calls on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.api.calls import Call
from engine.api.control import Control
from engine.api.table import answer, find, placed
from engine.api.views import View
from engine.clock import SystemClock
from engine.model import Body, Disposition, Fault, Hop, Message, Result, State
from engine.store import open_store
from engine.store.protocol import (
    Acceptance,
    AttemptRow,
    NewDelivery,
    Refusal,
    Rendering,
    Settlement,
    Store,
)

ACTOR = "uid:1000(somebody)"


class Stopped:
    """Calls on a stopped store, and messages put into it."""

    def __init__(self, store: Store, clock: SystemClock) -> None:
        self.store = store
        self.control = Control(store, clock)
        self._clock = clock

    async def get(self, path: str, **query: str) -> View:
        call = Call(query=query, actor=ACTOR, now_ms=self._clock.now_ms())
        return await answer(self.control, "GET", path, call)

    async def post(self, path: str, **body: Any) -> View:
        return await answer(
            self.control, "POST", path, Call(body=body, actor=ACTOR, now_ms=self._clock.now_ms())
        )

    async def lines(self, path: str, **query: str) -> list[View]:
        """Return a stream's lines up to its first pause or its end."""
        operation, values = find("GET", path)
        assert operation.stream is not None
        call = Call(query=query, actor=ACTOR, now_ms=self._clock.now_ms())
        found: list[View] = []
        async for row in operation.stream(self.control, placed(call, values)):
            if not row:
                break
            found.append(row)
        return found

    async def accept(
        self,
        control_id: str,
        *,
        endpoint: str = "clinic.emr",
        reason: str = "",
        content: bytes = b"content",
        besides: Sequence[Rendering] = (),
    ) -> tuple[str, int]:
        """Accept a message with one delivery, dead where a reason is given; return its id and the delivery."""
        state = State.DEAD if reason else State.PENDING
        message = Message(
            self.control.new_id(), "door", Body.of(b"{}"), "json", self._clock.now_ms(),
            control_id=control_id, partner="platform",
        )  # fmt: skip
        new = NewDelivery(
            "notes", "v1", endpoint, (Hop(endpoint),), "", self._clock.now_ms(), state=state, reason=reason
        )
        rendering = Rendering("rendered", Body.of(content, "text/plain"), "text/plain")
        keys = (("note", control_id),)
        await self.store.accept(
            Acceptance(message, Disposition.ACCEPTED, b"ok", (new,), (rendering, *besides), keys=keys)
        )
        return message.id, (await self.get("deliveries", id=message.id))["deliveries"][0]["delivery"]

    async def accept_again(self, control_id: str, content: bytes) -> None:
        """Accept a message whose id is checked for copies."""
        message = Message(
            self.control.new_id(), "door", Body.of(content), "json", self._clock.now_ms(),
            control_id=control_id, partner="platform",
        )  # fmt: skip
        acceptance = Acceptance(message, Disposition.ACCEPTED, b"ok", dedup_window_ms=60_000)
        await self.store.accept(acceptance)

    async def settle(self, message: str, state: State, *, code: str = "200") -> None:
        """End the only delivery of a message after one attempt."""
        from engine.store.protocol import Query

        delivery = (await self.store.deliveries(Query(id=message)))[0].delivery
        result = Result.DELIVERED if state is State.DELIVERED else Result.REJECTED
        attempt = AttemptRow(delivery.endpoint, 1, self._clock.now_ms(), 12, result, code, "said so")
        await self.store.settle(
            Settlement(delivery.sequence, delivery.revision, state, attempts=1, attempt=attempt)
        )

    async def refuse(self, path: str) -> None:
        """Refuse a message for what stands at `path`."""
        message = Message(self.control.new_id(), "door", Body.of(b"{}"), "json", self._clock.now_ms())
        await self.store.refuse(Refusal(message, b"no", (Fault(path, "is wrong", "x"),), "notes"))


@asynccontextmanager
async def stopped_store(folder: Path) -> AsyncIterator[Stopped]:
    """Open a new store and give calls on it."""
    clock = SystemClock()
    async with open_store(f"sqlite:{folder / 'passerelle.db'}", clock=clock) as store:
        yield Stopped(store, clock)
