"""Channels under supervision: started in order, restarted alone, replaced, and stopped within the grace."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream, TaskStatus

from engine.errors import Conflict, NotFound, StoreFailed
from engine.model import Message, Receipt
from engine.runtime.receiving.listening import ChannelState, MakeInbound
from engine.runtime.supervisor import Supervisor
from engine.spi import Admission, Exchange, Inbound, Intake
from engine.testing.context import channel_context
from tests.runtime.sending.house import House, house


class Nobody:
    """An intake that is never called."""

    def admit(self, partner: str | None, size: int, selector: str = "") -> Admission:
        raise AssertionError

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        raise AssertionError


class Port(Inbound):
    """A TCP listener on port 0 that answers, crashes, hangs or ends when told."""

    made: list[Port]

    def __init__(self, folder: Path, made: list[Port], error: Exception | None = None) -> None:
        super().__init__(None, channel_context(folder))
        made.append(self)
        self.error = error
        self.fail: Exception | None = None
        self.told = anyio.Event()
        self.stopped = False
        self.stubborn = False

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        if self.error is not None:
            raise self.error
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, self._answer)
            task_status.started(f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
            await self.told.wait()
            if self.fail is not None:
                raise self.fail
            group.cancel_scope.cancel()

    async def stop(self) -> None:
        self.stopped = True
        if not self.stubborn:
            self.told.set()

    async def _answer(self, stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"here")


class Engine:
    def __init__(self, home: House) -> None:
        self.home = home
        self.made: dict[str, list[Port]] = {}
        self.supervisor = Supervisor(
            intake=lambda name: Nobody(),
            dispatcher=home.dispatcher,
            outbounds=home.outbounds,
            clock=home.clock,
            counters=home.counters,
        )

    def port(self, name: str, *errors: Exception | None) -> MakeInbound:
        """Return a factory whose instances fail at start with `errors`, one after the other, then listen."""
        made = self.made.setdefault(name, [])

        def make() -> Inbound:
            return Port(self.home.folder, made, errors[len(made)] if len(made) < len(errors) else None)

        return make

    async def reach(self, name: str) -> bytes:
        host, _, port = self.supervisor.addresses[name].rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            return await stream.receive()

    def _state(self, name: str) -> ChannelState:
        return next(one.state for one in self.supervisor.health() if one.name == name)

    async def until(self, name: str, state: ChannelState, *, step_ms: int = 10) -> None:
        """Wait until a listener is in a state, letting time pass while it waits for its restart."""
        with anyio.fail_after(30):
            while (now := self._state(name)) is not state:
                if now is ChannelState.RESTARTING:
                    self.home.clock.advance_to(self.home.clock.now_ms() + step_ms)
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def running(folder: Path, ports: Mapping[str, tuple[Exception | None, ...]]) -> AsyncIterator[Engine]:
    async with house(folder) as home:
        engine = Engine(home)
        inbounds = {name: engine.port(name, *errors) for name, errors in ports.items()}
        async with anyio.create_task_group() as group:
            await group.start(engine.supervisor.run, inbounds)
            yield engine
            engine.supervisor.stop()


async def test_every_listener_reports_its_bound_address(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": (), "b": ()}) as engine:
        assert engine.supervisor.ready
        assert sorted(engine.supervisor.addresses) == ["a", "b"]
        assert await engine.reach("a") == b"here"
        assert [health.state for health in engine.supervisor.health()] == [ChannelState.RUNNING] * 2
    assert not engine.supervisor.ready


async def test_a_channel_that_crashes_restarts_alone_with_growing_pauses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, {"a": (None, ValueError("secret"), ValueError("x")), "b": ()}) as engine:
        address = engine.supervisor.addresses["b"]
        engine.made["a"][0].fail = ZeroDivisionError()
        engine.made["a"][0].told.set()
        await engine.until("a", ChannelState.RESTARTING)
        began = engine.home.elapsed()
        await engine.until("a", ChannelState.RUNNING)
        assert engine.home.elapsed() - began >= 1.0 + 2.0 + 4.0 - 0.5  # time may go on while it starts
        assert await engine.reach("a") == b"here"
        health = {one.name: one for one in engine.supervisor.health()}
        assert (health["a"].restarts, health["b"].restarts) == (3, 0)
        assert engine.supervisor.addresses["b"] == address
        assert engine.home.counters.totals[("channel_restarts", (("channel", "a"),))] == 3


async def test_one_that_cannot_listen_at_first_does_not_keep_the_others_from_starting(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": (OSError("address in use"),), "b": ()}) as engine:
        assert engine.supervisor.ready
        health = {one.name: one for one in engine.supervisor.health()}
        assert (health["a"].state, health["a"].error) == (ChannelState.RESTARTING, "OSError")
        assert await engine.reach("b") == b"here"
        await engine.until("a", ChannelState.RUNNING)


async def test_a_port_that_is_taken_is_told_in_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), "a name that is not for logs")
    async with running(tmp_path, {"a": (taken,)}) as engine:
        told = "OSError: Address already in use"
        assert [one.error for one in engine.supervisor.health()] == [told]
        assert f"a channel crashed; it is restarted: {told}" in caplog.messages
        await engine.until("a", ChannelState.RUNNING)


async def test_one_that_ends_by_itself_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, {"a": ()}) as engine:
        engine.made["a"][0].told.set()
        await engine.until("a", ChannelState.RESTARTING)
        await engine.until("a", ChannelState.RUNNING)
    assert "ended by itself" in caplog.text


async def test_listeners_are_added_replaced_and_removed_while_it_runs(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": ()}) as engine:
        added = await engine.supervisor.add("b", engine.port("b"))
        assert added.state is ChannelState.RUNNING
        with pytest.raises(Conflict):
            await engine.supervisor.add("b", engine.port("b"))
        before = engine.supervisor.addresses["a"]
        replaced = await engine.supervisor.replace("a", engine.port("a"))
        assert replaced.address != before
        assert engine.made["a"][0].stopped
        await engine.supervisor.remove("b")
        assert sorted(engine.supervisor.addresses) == ["a"]
        with pytest.raises(NotFound):
            await engine.supervisor.remove("b")


async def test_one_that_does_not_stop_is_ended_after_the_grace(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": ()}) as engine:
        engine.made["a"][0].stubborn = True
        with anyio.fail_after(30):
            await engine.supervisor.remove("a", grace=0.05)
        assert engine.supervisor.addresses == {}


async def test_a_failed_disk_ends_the_engine_and_nothing_else_does(tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(tmp_path, {"a": (), "b": ()}) as engine:
            engine.made["a"][0].fail = ExceptionGroup("connections", [StoreFailed("EIO")])
            engine.made["a"][0].told.set()
            with anyio.fail_after(30):
                await anyio.sleep_forever()
    assert caught.group_contains(StoreFailed)


async def test_what_waits_is_sent_by_the_supervised_dispatcher(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path, {"a": ()}) as engine:
        await engine.home.accept(text="Zelie-Fictive-1963")
        await engine.home.quiet()
        assert len(engine.home.sent) == 1
    assert "Zelie-Fictive-1963" not in caplog.text
