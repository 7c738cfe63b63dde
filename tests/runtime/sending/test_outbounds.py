"""Lines to partners: opened on first use, closed when idle, replaced while in use, dropped alone when they break."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import pytest

from engine.errors import Transient
from engine.model import Attempt, Reply
from engine.runtime.sending.outbounds import Outbounds
from engine.spi import Outbound
from engine.testing.context import CountedInMemory, channel_context
from engine.testing.virtual_clock import VirtualClock


class Wire(Outbound):
    """Says when it is entered and left; `fails` at entering, `breaks` when told."""

    opened: list[Wire]
    fails = False

    def __init__(self, folder: Path, opened: list[Wire]) -> None:
        super().__init__(None, channel_context(folder))
        self.opened = opened
        self.left = anyio.Event()
        self.broken = anyio.Event()

    async def __aenter__(self) -> Self:
        await anyio.lowlevel.checkpoint()
        if type(self).fails:
            raise OSError("no descriptors left")
        self.opened.append(self)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._background)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._group.cancel_scope.cancel()
        self.left.set()
        await self._group.__aexit__(kind, error, trace)

    async def _background(self) -> None:
        await self.broken.wait()
        raise RuntimeError("the reader task died")

    async def send(self, attempt: Attempt) -> Reply:
        return Reply("202")

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return ()


class Scene:
    def __init__(self, folder: Path) -> None:
        self.opened: list[Wire] = []
        self.clock = VirtualClock(datetime(2026, 11, 2, tzinfo=UTC))
        self.counters = CountedInMemory()
        self.outbounds = Outbounds(
            lambda name: Wire(folder, self.opened), self.clock, self.counters, idle=100.0
        )


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    found = Scene(folder)
    async with anyio.create_task_group() as group:
        found.outbounds.start(group)
        yield found
        await found.outbounds.close()


async def test_it_is_opened_once_on_first_use_and_closed_at_the_end(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert here.outbounds.ready("a") is None
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(here.outbounds.open, "a")
        line = here.outbounds.ready("a")
        assert line is not None and here.opened == [line.outbound]
    assert here.opened[0].left.is_set()


async def test_an_idle_line_is_closed_and_a_used_one_is_not(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        idle, used = await here.outbounds.open("idle"), await here.outbounds.open("used")
        with used:
            for _ in range(4):
                here.clock.advance_to(here.clock.now_ms() + 50_000)
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
            assert here.outbounds.names() == ("used",)
            await idle.ended.wait()
        assert not here.opened[1].left.is_set()


async def test_a_replaced_line_ends_with_its_last_send(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        old = await here.outbounds.open("a")
        with old:
            here.outbounds.replace("a")
            new = await here.outbounds.open("a")
            assert new is not old
            assert not here.opened[0].left.is_set()
        await old.ended.wait()
        assert here.opened[0].left.is_set()
        assert not here.opened[1].left.is_set()


async def test_a_line_that_breaks_is_dropped_alone_and_opened_anew(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        broken, other = await here.outbounds.open("a"), await here.outbounds.open("b")
        here.opened[0].broken.set()
        await broken.ended.wait()
        assert here.outbounds.names() == ("b",)
        again = await here.outbounds.open("a")
        assert again is not broken
        assert here.outbounds.ready("b") is other
        assert here.counters.totals[("channel_restarts", (("channel", "a"),))] == 1


async def test_one_that_cannot_be_entered_fails_its_attempt_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as here:
        monkeypatch.setattr(Wire, "fails", True)
        with pytest.raises(OSError, match="no descriptors"):
            await here.outbounds.open("a")
        monkeypatch.setattr(Wire, "fails", False)
        assert await here.outbounds.open("a") is here.outbounds.ready("a")


async def test_nothing_is_opened_after_the_end(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        pass
    with pytest.raises(Transient):
        await here.outbounds.open("a")
