"""The contract of ways in: a channel that keeps it passes, and each broken promise is caught by its test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream, TaskStatus

from engine.errors import CommitUnknown, PasserelleError, Transient
from engine.model import Message, Verdict
from engine.spi import ChannelContext, Inbound, Intake
from engine.testing.channels import InboundContract, Sender
from tests.testing.line_channel import LineInbound, LineReply
from tests.testing.line_peers import LineSender


class TestLineInbound(InboundContract):
    """The channel of the how-to."""

    channel: type[LineInbound] = LineInbound

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        sender = LineSender()
        try:
            yield sender
        finally:
            await sender.close()

    def inbound(self, sender: Sender, context: ChannelContext) -> Inbound:
        return self.channel(sender.config, context)


class Hasty(LineInbound):
    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        await stream.send(b"OK\n")
        await super().answer(line, stream, intake)


class Anonymous(LineInbound):
    def message(self, line: bytes) -> Message:
        return super().message(line.partition(b" ")[2])


class Generous(LineInbound):
    """Says OK, whatever the intake said."""

    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        try:
            with intake.admit(None, len(line)):
                await intake(self.message(line), LineReply())
        except (Transient, CommitUnknown, RuntimeError):
            pass
        finally:
            await stream.send(b"OK\n")


class Keeping(LineInbound):
    """Never gives an admission back."""

    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        intake.admit(None, len(line)).__enter__()
        await super().answer(line, stream, intake)


class Careless(LineInbound):
    """Asks for no admission."""

    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        receipt = await intake(self.message(line), LineReply())
        await stream.send(receipt.reply)


class Greedy(LineInbound):
    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        object.__setattr__(self.config, "in_flight", 100)
        await super().serve(intake, task_status=task_status)


class Abrupt(LineInbound):
    """Stops without finishing what was begun."""

    async def stop(self) -> None:
        self._stopped.set()


class Endless(LineInbound):
    """Goes on after it said that it stopped."""

    async def stop(self) -> None:
        while self._busy:
            self._idle = anyio.Event()
            await self._idle.wait()


class Mute(LineInbound):
    """Answers a refusal like a success."""

    async def answer(self, line: bytes, stream: SocketStream, intake: Intake) -> None:
        with intake.admit(None, len(line)):
            await intake(self.message(line), Agreeing())
        await stream.send(b"OK\n")


class Agreeing:
    def reply(self, verdict: Verdict) -> bytes:
        return b"OK\n"


class Leaving(LineInbound):
    """Leaves its socket open when it is cancelled."""

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 5):
            await super().serve(intake, task_status=task_status)


BROKEN = [
    (Anonymous, "test_a_message_is_handed_in_with_its_control_id"),
    (Hasty, "test_the_reply_waits_until_the_intake_returned"),
    (Mute, "test_a_refusal_is_answered_and_the_next_message_is_taken"),
    (Generous, "test_nothing_is_acknowledged_when_the_intake_is_busy"),
    (Keeping, "test_nothing_is_acknowledged_when_the_intake_is_busy"),
    (Generous, "test_nothing_is_acknowledged_when_the_commit_is_unknown"),
    (Careless, "test_a_message_over_the_budget_is_asked_to_come_again"),
    (Greedy, "test_a_slow_intake_slows_the_channel_down"),
    (Abrupt, "test_stop_finishes_what_was_begun_and_takes_nothing_new"),
    (Endless, "test_stop_finishes_what_was_begun_and_takes_nothing_new"),
    (Leaving, "test_cancelling_serve_closes_the_door"),
    (Generous, "test_what_a_crash_interrupted_comes_again_after_a_restart"),
    (Hasty, "test_what_a_cancelled_channel_held_comes_again_after_a_restart"),
]


@pytest.mark.parametrize(("channel", "name"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_promise_is_caught(channel: type[LineInbound], name: str, tmp_path: Path) -> None:
    suite = TestLineInbound()
    suite.channel = channel
    with pytest.raises((AssertionError, OSError, PasserelleError, BaseExceptionGroup)):
        await getattr(suite, name)(tmp_path)
