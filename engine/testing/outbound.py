"""The contract of an outbound channel, as tests that its one test class inherits.

    class TestCarrierPigeon(NetworkOutboundContract):
        @asynccontextmanager
        async def partner(self, folder: Path) -> AsyncIterator[Partner]:
            async with Loft() as loft:
                yield loft

A `Partner` is the real other end: a server on port 0, a broker, a folder; never a patched library. It accepts until
it is told to `become` something else. Channels that hold connections inherit `NetworkOutboundContract`; the others
`OutboundContract`, which is part of it.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body, Reply
from engine.registry import channel_type
from engine.spi import ChannelContext, Outbound
from engine.testing.context import channel_context

MARKER = "Zelie-Fictive-1963"
"""Stands for personal data: it is in every body that the suite sends and must never be in an error or a log."""

SLACK = 5.0
"""Seconds by which a loaded machine may overrun a limit before the suite calls it broken."""


class Behaviour(enum.Enum):
    """What a partner does with what it is sent."""

    ACCEPTS = enum.auto()
    """Takes it and says so."""
    REFUSES = enum.auto()
    """Takes it in and refuses it for good, with an answer that can be kept as evidence."""
    BUSY = enum.auto()
    """Asks to come back later, in the words of its protocol."""
    SILENT = enum.auto()
    """Takes it in and never answers; the connection stays open."""
    DROPS = enum.auto()
    """Takes it in and closes the connection without an answer."""
    ABSENT = enum.auto()
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that reached the partner, whatever it answered."""

    message_id: str
    body: bytes


class Partner(ABC):
    """The other end of an outbound channel: real, and told how to behave.

    `config` is the endpoint's model; `tls` and `connection` go into the channel's context. `retry_after` is what a
    busy partner asks for in seconds, None where the protocol has no word for it. `secrets` must never be quoted.
    `loggers` are the partner's own: what they write is not the channel's.
    """

    config: Any
    tls: ssl.SSLContext | None = None
    connection: Any = None
    retry_after: float | None = None
    secrets: Sequence[str] = ()
    loggers: Sequence[str] = ()

    @abstractmethod
    async def become(self, behaviour: Behaviour) -> None:
        """Behave so from now on; ABSENT closes the door and every connection."""

    @abstractmethod
    async def arrivals(self) -> Sequence[Arrival]:
        """Return what arrived so far, oldest first, also what was refused, dropped or left without an answer."""

    @abstractmethod
    async def accepted(self) -> Sequence[Arrival]:
        """Return what was accepted so far, oldest first."""

    async def until_reached(self) -> None:
        """Return once something arrived."""
        for _ in range(1000):
            if await self.arrivals():
                return
            await asyncio.sleep(0.005)
        raise TimeoutError("nothing reached the partner within 5 s")


class NetworkPartner(Partner):
    """A partner that is reached through connections, and counts them."""

    @abstractmethod
    def opened(self) -> int:
        """Return how many connections it has accepted since it began."""

    @abstractmethod
    def live(self) -> int:
        """Return how many connections are open now."""


class OutboundContract(ABC):
    """What every outbound channel promises. The subclass names its partner; all else can stay as it is.

    `refusal` is the error that a refusal becomes: Rejected, or Permanent in a protocol where a refusal concerns the
    address and never the content.
    """

    refusal: type[Rejected | Permanent] = Rejected

    @abstractmethod
    def partner(self, folder: Path) -> AbstractAsyncContextManager[Partner]:
        """Start the partner; it accepts. `folder` is empty and belongs to this test."""

    def outbound(self, partner: Partner, context: ChannelContext) -> Outbound:
        """Build the channel under test: by default through the registry, by the `type` of the partner's model."""
        build = channel_type(partner.config.type).outbound
        assert build is not None, "the channel type offers no outbound"
        return build(partner.config, context)

    def content(self, text: str) -> tuple[bytes, str]:
        """Return a body that carries `text`, and its content type."""
        return f'{{"summary": "{text}"}}'.encode(), "application/json"

    def context(self, partner: Partner, folder: Path) -> ChannelContext:
        """Build the channel's context."""
        return channel_context(folder, tls=partner.tls, connection=partner.connection)

    def attempt(
        self, number: int = 1, *, message_id: str = "01JD0000000000000001", timeout: float = 30.0
    ) -> Attempt:
        """Build an attempt; its body depends on the message id only, as bodies do."""
        body, content_type = self.content(f"{MARKER} {message_id}")
        return Attempt(
            delivery=1,
            message_id=message_id,
            number=number,
            endpoint="clinic-a.under-test",
            body=Body.of(body),
            content_type=content_type,
            timeout=timeout,
            kind="appointment-booked",
        )

    async def sent(self, channel: Outbound, attempt: Attempt) -> Reply:
        """Send, and fail when the channel outlives the attempt's timeout."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(attempt.timeout + SLACK):
                return await channel.send(attempt)
        except TimeoutError:
            raise AssertionError(
                f"the attempt was still under way after {time.monotonic() - began:.1f} s"
            ) from None

    def open(self, partner: Partner, folder: Path) -> Outbound:
        """Build the channel with its context, ready for `async with`."""
        return self.outbound(partner, self.context(partner, folder))

    # ----------------------------------------------------------------- what must hold

    async def test_an_accepted_message_returns_the_partners_evidence(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            reply = await self.sent(channel, self.attempt())
            assert reply.code, "a delivered message needs the partner's answer"
            accepted = await partner.accepted()
            assert [arrival.message_id for arrival in accepted] == [self.attempt().message_id]
            assert MARKER.encode() in accepted[0].body, "the body did not reach the partner"

    async def test_a_refusal_keeps_the_evidence(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.REFUSES)
            with pytest.raises(PasserelleError) as caught:
                await self.sent(channel, self.attempt())
            error = caught.value
            assert isinstance(error, self.refusal), f"a refusal became {type(error).__name__}"
            assert error.reply is not None, "a refusal without the partner's answer proves nothing"
            assert error.reply.code and error.code

    async def test_a_busy_partner_is_asked_again_when_it_says(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.BUSY)
            with pytest.raises(Transient) as caught:
                await self.sent(channel, self.attempt())
            assert not caught.value.sent, "a partner that answers `later` leaves no unknown outcome"
            assert caught.value.retry_after == partner.retry_after

    async def test_silence_is_an_unknown_outcome_within_the_attempts_timeout(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.SILENT)
            with pytest.raises(Transient) as caught:
                await self.sent(channel, self.attempt(timeout=0.5))
            assert caught.value.sent, "it was sent and nobody answered: the outcome is unknown"

    async def test_a_drop_after_sending_is_an_unknown_outcome(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.DROPS)
            with pytest.raises(Transient) as caught:
                await self.sent(channel, self.attempt())
            assert caught.value.sent, "it was sent and nobody answered: the outcome is unknown"

    async def test_an_absent_partner_was_sent_nothing(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner:
            await partner.become(Behaviour.ABSENT)
            async with self.open(partner, tmp_path) as channel:
                with pytest.raises(Transient) as caught:
                    await self.sent(channel, self.attempt())
                assert not caught.value.sent, "nothing can have been sent to an absent partner"

    async def test_a_partner_that_comes_back_is_used_without_entering_again(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner:
            await partner.become(Behaviour.ABSENT)
            async with self.open(partner, tmp_path) as channel:
                for behaviour in (Behaviour.ACCEPTS, Behaviour.ABSENT, Behaviour.ACCEPTS):
                    await partner.become(behaviour)
                    with suppress(Transient):
                        await channel.send(
                            self.attempt(message_id=f"01JD{len(await partner.accepted()):016}")
                        )
                ids = [arrival.message_id for arrival in await partner.accepted()]
                assert ids == [f"01JD{0:016}", f"01JD{1:016}"]

    async def test_every_attempt_carries_the_same_message_id(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            for number, behaviour in enumerate((Behaviour.BUSY, Behaviour.DROPS, Behaviour.ACCEPTS), start=1):
                await partner.become(behaviour)
                with suppress(Transient):
                    await self.sent(channel, self.attempt(number))
            ids = [arrival.message_id for arrival in await partner.arrivals()]
            assert len(ids) >= 2, "the partner should have seen more than one attempt"
            assert set(ids) == {self.attempt().message_id}

    async def test_sends_run_side_by_side(self, tmp_path: Path) -> None:
        ids = [f"01JD{number:016}" for number in range(16)]
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            replies = await asyncio.gather(
                *(self.sent(channel, self.attempt(message_id=each)) for each in ids)
            )
            assert all(reply.code for reply in replies)
            assert sorted(arrival.message_id for arrival in await partner.accepted()) == ids

    async def test_silence_holds_up_no_other_send(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.SILENT)
            attempts = [self.attempt(message_id=f"01JD{number:016}", timeout=0.5) for number in range(16)]
            outcomes = await asyncio.gather(
                *(self.sent(channel, each) for each in attempts), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes] == [Transient] * len(attempts)

    async def test_cancellation_is_not_swallowed(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.SILENT)
            task = asyncio.create_task(channel.send(self.attempt(timeout=30)))
            await partner.until_reached()
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=SLACK)
            assert done and task.cancelled(), "a cancelled send must end as cancelled, and soon"
            await partner.become(Behaviour.ACCEPTS)
            assert (await self.sent(channel, self.attempt(2))).code

    async def test_the_probe_tells_the_truth_and_sends_nothing(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            present = await channel.probe()
            assert present and all(well for _, well, _ in present), (
                f"all is well, yet the probe says {present}"
            )
            await partner.become(Behaviour.ABSENT)
            absent = await channel.probe()
            assert any(not well and remark for _, well, remark in absent), (
                "an absent partner was probed as well"
            )
            assert not await partner.arrivals(), "a probe sends no message"

    async def test_no_error_and_no_log_line_holds_personal_data_or_a_secret(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            spoken = [str(await channel.probe())]
            for behaviour in Behaviour:
                await partner.become(behaviour)
                try:
                    await self.sent(channel, self.attempt(message_id=f"01JD{len(spoken):016}", timeout=0.5))
                except PasserelleError as error:
                    spoken.append(f"{error} {error.args} {error.__cause__!r}")
            spoken.append(str(await channel.probe()))
        lines = [str(vars(record)) for record in caplog.records if record.name not in partner.loggers]
        text = "\n".join([*spoken, *lines])
        for word in (MARKER, *partner.secrets):
            assert word not in text, f"an error, a probe or a log line quotes what it must not: {word!r}"


class NetworkOutboundContract(OutboundContract):
    """What a channel promises besides where it holds connections to its partner."""

    @abstractmethod
    def partner(self, folder: Path) -> AbstractAsyncContextManager[NetworkPartner]:
        """Start the partner; it accepts."""

    async def test_a_connection_that_timed_out_is_never_used_again(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner, self.open(partner, tmp_path) as channel:
            await partner.become(Behaviour.SILENT)
            with pytest.raises(Transient):
                await self.sent(channel, self.attempt(timeout=0.5))
            before = partner.opened()
            await partner.become(Behaviour.ACCEPTS)
            await self.sent(channel, self.attempt(2, timeout=10))
            assert partner.opened() > before, "the connection that timed out was used again"

    async def test_leaving_closes_every_connection(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner:
            async with self.open(partner, tmp_path) as channel:
                await self.sent(channel, self.attempt())
            await self._until_closed(partner)

    async def test_leaving_after_a_cancelled_send_closes_every_connection(self, tmp_path: Path) -> None:
        async with self.partner(tmp_path) as partner:
            async with self.open(partner, tmp_path) as channel:
                await partner.become(Behaviour.SILENT)
                task = asyncio.create_task(channel.send(self.attempt(timeout=30)))
                await partner.until_reached()
                task.cancel()
                await asyncio.wait([task], timeout=SLACK)
            await self._until_closed(partner)

    async def _until_closed(self, partner: NetworkPartner) -> None:
        for _ in range(100):
            if not partner.live():
                return
            await asyncio.sleep(SLACK / 100)
        raise AssertionError(f"{partner.live()} connections were left open")
