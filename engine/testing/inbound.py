"""The contract of an inbound channel, as tests that its one test class inherits.

    class TestCarrierPigeon(InboundContract):
        @asynccontextmanager
        async def sender(self, folder: Path) -> AsyncIterator[Sender]:
            async with Fancier() as fancier:
                yield fancier

A `Sender` is the other end: it offers messages and can say what it was told about each. The intake is scripted; the
channel, its sockets and its files are real.
"""

from __future__ import annotations

import enum
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import BudgetExceeded, CommitUnknown, Transient
from engine.model import Disposition
from engine.registry import channel_type
from engine.spi import ChannelContext, Inbound, Intake, SmallState
from engine.testing.context import StateInMemory, channel_context
from engine.testing.intake import RecordingIntake

PATIENCE = 0.15
"""Seconds of real time for which the suite watches that something does not happen."""

LIMIT = 30.0
"""Seconds after which something that must happen is said not to."""

CLOSING = 4.0
"""Seconds that a cancelled channel may take to close."""


class Answer(enum.Enum):
    """What the sender was told about one message."""

    ACCEPTED = enum.auto()
    """A positive reply: it may forget the message."""
    REFUSED = enum.auto()
    """A refusal for its content: sending the same again is useless."""
    LATER = enum.auto()
    """A negative reply that asks to come again, or the connection closed without a reply."""


class Crash(RuntimeError):
    """An error that nobody named, raised by the scripted intake."""


class Sender(ABC):
    """The other end of an inbound channel.

    `config` is the listener's model. `redelivers` says that the transport itself hands in again what was not
    acknowledged (a broker, a folder, a timer), so that the sender does nothing. `limit` is how many messages this
    configuration lets in flight at most. `refusal` is what it hears of a refusal: ACCEPTED where the protocol has no
    word for it.
    """

    config: Any
    tls: ssl.SSLContext | None = None
    connection: Any = None
    clock: Clock | None = None
    redelivers: bool = False
    limit: int = 1
    refusal: Answer = Answer.REFUSED

    @abstractmethod
    async def connect(self, address: str) -> None:
        """Get ready; `address` is what the channel reported when it began to listen."""

    @abstractmethod
    async def offer(self) -> str:
        """Send a new message without waiting for its answer; return the control id that the intake must see."""

    async def offer_again(self, control_id: str) -> None:
        """Send the same message once more; called only where the transport does not redeliver by itself."""
        raise NotImplementedError("a sender whose transport does not redeliver offers the same message again")

    @abstractmethod
    async def answer(self, control_id: str) -> Answer:
        """Wait until the sender was told something about its latest offer of this message, and return it."""


class InboundContract(ABC):
    """What every inbound channel promises. The subclass names its sender; all else can stay as it is."""

    @abstractmethod
    def sender(self, folder: Path) -> AbstractAsyncContextManager[Sender]:
        """Start the sender's side (a broker, a folder, a client). `folder` is empty and belongs to this test."""

    def inbound(self, sender: Sender, context: ChannelContext) -> Inbound:
        """Build the channel under test: by default through the registry, by the `type` of the sender's model."""
        build = channel_type(sender.config.type).inbound
        assert build is not None, "the channel type offers no inbound"
        return build(sender.config, context)

    def context(self, sender: Sender, folder: Path, state: SmallState) -> ChannelContext:
        """Build the channel's context; `state` outlives the channel, as it does in the engine."""
        return channel_context(
            folder,
            name="under-test",
            clock=sender.clock,
            state=state,
            tls=sender.tls,
            connection=sender.connection,
        )

    @asynccontextmanager
    async def serving(
        self, sender: Sender, intake: Intake, folder: Path, *, state: SmallState | None = None
    ) -> AsyncIterator[Inbound]:
        """Serve in the background and connect the sender; on leaving, serving is cancelled."""
        channel = self.inbound(sender, self.context(sender, folder, state or StateInMemory()))
        async with anyio.create_task_group() as group:
            address = await group.start(partial(_until_crash, channel, intake))
            assert isinstance(address, str) and address, "task_status.started needs the bound address"
            await sender.connect(address)
            yield channel
            group.cancel_scope.cancel()

    async def told(self, sender: Sender, control_id: str) -> Answer:
        """Return what the sender was told, or fail after `LIMIT` seconds."""
        with anyio.fail_after(LIMIT):
            return await sender.answer(control_id)

    async def told_nothing(self, sender: Sender, control_id: str) -> bool:
        """Watch for `PATIENCE` seconds that the sender is told nothing."""
        with anyio.move_on_after(PATIENCE):
            await sender.answer(control_id)
            return False
        return True

    # ----------------------------------------------------------------- what must hold

    async def test_a_message_is_handed_in_with_its_control_id(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            control_id = await sender.offer()
            assert await self.told(sender, control_id) is Answer.ACCEPTED
            message = intake.messages[0]
            assert message.control_id == control_id
            assert message.listener == "under-test" and message.codec and message.received_ms > 0
            assert len(message.id) == 20 and message.body.size > 0

    async def test_the_reply_waits_until_the_intake_returned(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        intake.close_gate()
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            control_id = await sender.offer()
            await intake.until(1)
            assert await self.told_nothing(sender, control_id), "acknowledged before anything was durable"
            intake.open_gate()
            assert await self.told(sender, control_id) is Answer.ACCEPTED

    async def test_a_duplicate_is_acknowledged(self, tmp_path: Path) -> None:
        intake = RecordingIntake(Disposition.DUPLICATE)
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            assert await self.told(sender, await sender.offer()) is Answer.ACCEPTED

    async def test_a_refusal_is_answered_and_the_next_message_is_taken(self, tmp_path: Path) -> None:
        intake = RecordingIntake(Disposition.REFUSED, Disposition.ACCEPTED)
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            assert await self.told(sender, await sender.offer()) is sender.refusal
            assert await self.told(sender, await sender.offer()) is Answer.ACCEPTED
            assert len(intake.messages) == 2, "a refused message must not come again"

    async def test_nothing_is_acknowledged_when_the_intake_is_busy(self, tmp_path: Path) -> None:
        await self._comes_again(tmp_path, Transient("the disk is nearly full"))

    async def test_nothing_is_acknowledged_when_the_commit_is_unknown(self, tmp_path: Path) -> None:
        await self._comes_again(tmp_path, CommitUnknown("the commit was interrupted"))

    async def _comes_again(self, folder: Path, error: BaseException) -> None:
        intake = RecordingIntake(error, Disposition.ACCEPTED)
        async with self.sender(folder) as sender, self.serving(sender, intake, folder):
            control_id = await sender.offer()
            if not sender.redelivers:
                assert await self.told(sender, control_id) is Answer.LATER
                await sender.offer_again(control_id)
            assert await self.told(sender, control_id) is Answer.ACCEPTED
            assert intake.control_ids == [control_id, control_id]
            first, second = intake.messages
            assert first.body.sha256 == second.body.sha256, "the copy is not the same message"
            await intake.until_idle()

    async def test_a_message_over_the_budget_is_asked_to_come_again(self, tmp_path: Path) -> None:
        intake = RecordingIntake(admissions=[BudgetExceeded("too much is in flight", retry_after=0.05)])
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            control_id = await sender.offer()
            if not sender.redelivers:
                assert await self.told(sender, control_id) is Answer.LATER
                await sender.offer_again(control_id)
            assert await self.told(sender, control_id) is Answer.ACCEPTED
            assert intake.control_ids == [control_id], "it was handed in although the budget was exceeded"

    async def test_a_slow_intake_slows_the_channel_down(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        intake.close_gate()
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path):
            offered = [await sender.offer() for _ in range(sender.limit + 3)]
            await intake.until(1)
            await anyio.sleep(PATIENCE)
            assert len(intake.messages) <= sender.limit, "more is in flight than the listener allows"
            intake.open_gate()
            for control_id in offered:
                assert await self.told(sender, control_id) is Answer.ACCEPTED
            assert sorted(intake.control_ids) == sorted(offered), "a message was lost or doubled"
            assert intake.most_admitted <= sender.limit, "more was admitted than the listener allows"
            await intake.until_idle()

    async def test_stop_finishes_what_was_begun_and_takes_nothing_new(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        intake.close_gate()
        async with self.sender(tmp_path) as sender, self.serving(sender, intake, tmp_path) as channel:
            control_id = await sender.offer()
            await intake.until(1)
            stopped = anyio.Event()

            async def stop() -> None:
                await channel.stop()
                stopped.set()

            async with anyio.create_task_group() as group:
                group.start_soon(stop)
                await anyio.sleep(PATIENCE)
                assert not stopped.is_set(), "stop() returned while a message was under way"
                intake.open_gate()
                with anyio.fail_after(LIMIT):
                    await stopped.wait()
            assert await self.told(sender, control_id) is Answer.ACCEPTED
            seen = len(intake.messages)
            assert await self.is_deaf(sender), "a stopped channel told a sender that it took a message"
            assert len(intake.messages) == seen, "a stopped channel handed a message in"

    async def is_deaf(self, sender: Sender) -> bool:
        """Offer one more message to a stopped channel, and return whether it was not accepted."""
        with anyio.move_on_after(PATIENCE):
            try:
                return await sender.answer(await sender.offer()) is not Answer.ACCEPTED
            except OSError:
                return True
        return True

    async def test_cancelling_serve_closes_the_door(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        async with self.sender(tmp_path) as sender:
            began = time.monotonic()
            async with self.serving(sender, intake, tmp_path):
                began = time.monotonic()
            assert time.monotonic() - began < CLOSING, "serve swallowed its cancellation"
            assert await self.is_deaf(sender)
            assert not intake.messages

    async def test_what_a_crash_interrupted_comes_again_after_a_restart(self, tmp_path: Path) -> None:
        intake = RecordingIntake(Crash("nobody named this"))
        state = StateInMemory()
        async with self.sender(tmp_path) as sender:
            async with self.serving(sender, intake, tmp_path, state=state):
                control_id = await sender.offer()
                await intake.until_returned(1)
                if not sender.redelivers:
                    assert await self.told(sender, control_id) is not Answer.ACCEPTED
            await self._is_taken_after_a_restart(sender, control_id, tmp_path, state)

    async def test_what_a_cancelled_channel_held_comes_again_after_a_restart(self, tmp_path: Path) -> None:
        intake = RecordingIntake()
        intake.close_gate()
        state = StateInMemory()
        async with self.sender(tmp_path) as sender:
            async with self.serving(sender, intake, tmp_path, state=state):
                control_id = await sender.offer()
                await intake.until(1)
            if not sender.redelivers:
                assert await self.told(sender, control_id) is not Answer.ACCEPTED
            await self._is_taken_after_a_restart(sender, control_id, tmp_path, state)

    async def _is_taken_after_a_restart(
        self, sender: Sender, control_id: str, folder: Path, state: StateInMemory
    ) -> None:
        """Check that after a restart what was under way is handed in once, and acknowledged."""
        again = RecordingIntake()
        async with self.serving(sender, again, folder, state=state):
            if not sender.redelivers:
                await sender.offer_again(control_id)
            assert await self.told(sender, control_id) is Answer.ACCEPTED
            assert again.control_ids == [control_id]


async def _until_crash(channel: Inbound, intake: Intake, *, task_status: TaskStatus[str]) -> None:
    """Serve; a crash of the scripted intake may end the channel, as it would in the engine, which restarts it."""
    try:
        await channel.serve(intake, task_status=task_status)
    except* Crash:
        pass
