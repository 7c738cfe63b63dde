"""The contract of ways out: a channel that keeps it passes, and each broken promise is caught by its test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from engine.errors import PasserelleError, Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound
from engine.testing.channels import Behaviour, NetworkOutboundContract, NetworkPartner, Partner
from tests.testing.line_channel import LineOutbound
from tests.testing.line_peers import LinePartner


class TestLineOutbound(NetworkOutboundContract):
    """The channel of the how-to."""

    channel: type[LineOutbound] = LineOutbound

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        partner = LinePartner()
        await partner.become(Behaviour.ACCEPTS)
        try:
            yield partner
        finally:
            await partner.close()

    def outbound(self, partner: Partner, context: ChannelContext) -> Outbound:
        return self.channel(partner.config, context)


LEAKED: list[asyncio.StreamWriter] = []
"""What faulty channels left open, for the tests to close."""


def with_(attempt: Attempt, message_id: str) -> Attempt:
    return Attempt(1, message_id, 1, "e", attempt.body, attempt.content_type, attempt.timeout)


class NoEvidence(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        await super().send(attempt)
        return Reply("")


class NewIds(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        return await super().send(with_(attempt, f"{attempt.message_id}-{attempt.number}"))


class Forgetful(LineOutbound):
    def understood(self, answer: Sequence[str]) -> Reply:
        if answer == ["NO"]:
            raise Transient("refused, come again")
        return super().understood(answer)


class Impatient(LineOutbound):
    def understood(self, answer: Sequence[str]) -> Reply:
        if answer[:1] == ["LATER"]:
            raise Transient("busy")
        return super().understood(answer)


class Hopeful(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        try:
            return await super().send(attempt)
        except Transient as error:
            raise Transient(str(error), sent=False, retry_after=error.retry_after) from None


class Pessimist(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        try:
            return await super().send(attempt)
        except Transient as error:
            raise Transient(str(error), sent=True, retry_after=error.retry_after) from None


class Endless(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        longer = Attempt(1, attempt.message_id, 1, "e", attempt.body, attempt.content_type, 3600.0)
        return await super().send(longer)


class OneByOne(LineOutbound):
    lock: asyncio.Lock | None = None

    async def send(self, attempt: Attempt) -> Reply:
        self.lock = self.lock or asyncio.Lock()
        async with self.lock:
            return await super().send(attempt)


class Confused(LineOutbound):
    """Keeps the message under way where the next one finds it."""

    current: Attempt

    async def send(self, attempt: Attempt) -> Reply:
        self.current = attempt
        await asyncio.sleep(0)
        return await super().send(self.current)


class Eager(LineOutbound):
    async def __aenter__(self) -> Self:
        _, writer = await asyncio.open_connection(self.config.line.host, self.config.line.port)
        LEAKED.append(writer)
        return self


class Deaf(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        try:
            return await super().send(attempt)
        except asyncio.CancelledError:
            raise Transient("interrupted") from None


class Optimist(LineOutbound):
    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return [("tcp", True, "")]


class Talkative(LineOutbound):
    async def send(self, attempt: Attempt) -> Reply:
        self.context.logger.info("sending %s", attempt.body.read())
        return await super().send(attempt)


class Sticky(LineOutbound):
    """Keeps one connection, whatever happens on it."""

    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, attempt: Attempt) -> Reply:
        sent = False
        try:
            async with asyncio.timeout(attempt.timeout):
                if self.streams is None:
                    self.streams = await asyncio.open_connection(self.config.line.host, self.config.line.port)
                    LEAKED.append(self.streams[1])
                self.streams[1].write(f"{attempt.message_id} {attempt.body.read().hex()}\n".encode())
                sent = True
                answer = (await self.streams[0].readline()).decode().split()
        except (TimeoutError, OSError):
            raise Transient("lost", sent=sent) from None
        return self.understood(answer)


BROKEN = [
    (NoEvidence, "test_an_accepted_message_returns_the_partners_evidence"),
    (Forgetful, "test_a_refusal_keeps_the_evidence"),
    (Impatient, "test_a_busy_partner_is_asked_again_when_it_says"),
    (Pessimist, "test_a_busy_partner_is_asked_again_when_it_says"),
    (Hopeful, "test_silence_is_an_unknown_outcome_within_the_attempts_timeout"),
    (Endless, "test_silence_is_an_unknown_outcome_within_the_attempts_timeout"),
    (Hopeful, "test_a_drop_after_sending_is_an_unknown_outcome"),
    (Pessimist, "test_an_absent_partner_was_sent_nothing"),
    (Eager, "test_an_absent_partner_was_sent_nothing"),
    (Eager, "test_a_partner_that_comes_back_is_used_without_entering_again"),
    (Sticky, "test_a_partner_that_comes_back_is_used_without_entering_again"),
    (NewIds, "test_every_attempt_carries_the_same_message_id"),
    (Confused, "test_sends_run_side_by_side"),
    (OneByOne, "test_silence_holds_up_no_other_send"),
    (Deaf, "test_cancellation_is_not_swallowed"),
    (Optimist, "test_the_probe_tells_the_truth_and_sends_nothing"),
    (Sticky, "test_a_connection_that_timed_out_is_never_used_again"),
    (Sticky, "test_leaving_closes_every_connection"),
    (Sticky, "test_leaving_after_a_cancelled_send_closes_every_connection"),
]


@pytest.mark.parametrize(("channel", "name"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_promise_is_caught(channel: type[LineOutbound], name: str, tmp_path: Path) -> None:
    suite = TestLineOutbound()
    suite.channel = channel
    try:
        with pytest.raises((AssertionError, OSError, PasserelleError, pytest.fail.Exception)):
            await getattr(suite, name)(tmp_path)
    finally:
        for writer in LEAKED:
            writer.transport.abort()
        LEAKED.clear()


async def test_personal_data_in_a_log_is_caught(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    suite = TestLineOutbound()
    suite.channel = Talkative
    with pytest.raises(AssertionError, match="quotes what it must not"):
        await suite.test_no_error_and_no_log_line_holds_personal_data_or_a_secret(tmp_path, caplog)
