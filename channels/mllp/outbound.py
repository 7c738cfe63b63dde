"""Send HL7 v2 messages over MLLP: one in flight per connection, delivered when its own acknowledgement says so.

Source: HL7 v2.5.1 2.9 (acknowledgements), appendix C (MLLP).
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio

from channels._hl7.confirming import confirmation_of
from channels._hl7.heading import heading
from channels._hl7.judgement import refusal
from channels._hl7.modes import answered_when_bad, answered_when_good, awaits_application
from channels._tcp.caller import caller_of
from channels._tcp.dial import Destination, Stages, probed, reach, secured_by, wrap
from channels.mllp.acknowledging import Acknowledger
from channels.mllp.endpoint import MllpEndpoint
from channels.mllp.link import Answer, Link, Sending
from channels.mllp.pool import AnsweredPool, DialledPool, Pool
from engine.codecs.hl7v2.answers import Ack
from engine.codecs.hl7v2.charsets import codecs_of
from engine.codecs.hl7v2.codec import told_charset
from engine.codecs.hl7v2.header import Header
from engine.codecs.hl7v2.writing import recode
from engine.errors import CommitUnknown, Rejected, Transient
from engine.model import Attempt, Reply
from engine.security.tls import RotatingContext, server_context
from engine.spi import ChannelContext, Outbound

_STRAYS_MAX = 100
_ASKS_MAX = 100
_PROBE_SECONDS = 10.0
_STAGES = ("dns", "tcp", "tls")


class MllpOutbound(Outbound):
    """Delivers to one partner; the desk of its connections."""

    config: MllpEndpoint

    def __init__(self, config: MllpEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        timeouts = config.timeouts
        self.framing = config.frame.framing()
        self.charset = config.charset or ""
        self.commit_bytes = config.commit_bytes
        self._actions = config.ack.actions()
        self.in_turn = config.ack.match == "in_turn"
        self.idle_seconds = timeouts.idle.total_seconds() if config.role == "client" else math.inf
        self._connect_seconds = timeouts.connect.total_seconds()
        self._reply_seconds = timeouts.reply.total_seconds()
        self._silence_seconds = timeouts.silence.total_seconds()
        self._acks = Acknowledger(context.clock, context.new_id, zone=context.zone, acks="auto")
        self._destination = Destination(
            config.mllp.host,
            config.mllp.port,
            context.tls if config.role == "client" else None,
            allowed=config.allow_addresses,
            plaintext=config.plaintext.allow if config.plaintext else (),
        )
        self._asks: dict[tuple[str, str], tuple[bool, bool, bool]] = {}
        self._strays: asyncio.Queue[tuple[Link, Ack, bytes]] = asyncio.Queue(_STRAYS_MAX)
        self._confirming: asyncio.Task[None] | None = None
        self.pool: Pool = self._pool()

    def _pool(self) -> Pool:
        config, context = self.config, self.context
        if config.role == "server":
            tls = _as_server(context.tls)
            return AnsweredPool(self, config.mllp, tls=tls, logger=context.logger, count=self._count)
        kept = config.limits.concurrency if config.limits else 4
        return DialledPool(self, self._destination, kept=kept)

    async def __aenter__(self) -> Self:
        await self.pool.open()
        self._confirming = asyncio.create_task(self._confirm_strays())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._confirming is not None:
            self._confirming.cancel()
            await asyncio.wait([self._confirming])
        await self.pool.close()

    async def send(self, attempt: Attempt) -> Reply:
        until = asyncio.get_running_loop().time() + attempt.timeout
        content = attempt.body.data
        if content is None:
            content = await anyio.to_thread.run_sync(attempt.body.read)
        sending = self._sending(content, told_charset(attempt.content_type))
        answer = await self._exchanged(sending, until)
        reply = Reply(answer.code, answer.data, awaiting=answer.code == "CA" and sending.awaits)
        if answer.ack is not None:
            failure = refusal(answer.ack, reply, self._actions)
            if failure is not None:
                raise failure
        return reply

    async def _exchanged(self, sending: Sending, until: float) -> Answer:
        loop = asyncio.get_running_loop()
        link = await self.pool.take(min(self._connect_seconds, until - loop.time()))
        left = until - loop.time()
        if left <= 0:
            link.close()
            raise Transient("no time was left to send", code="timeout")
        seconds = self._silence_seconds if sending.silence else self._reply_seconds
        answer = await link.exchange(sending, seconds=min(seconds, left))
        self.pool.give(link)
        return answer

    def _sending(self, content: bytes, told: str) -> Sending:
        """Return a message as it travels, and what its header says of the answer.

        Raises:
            Rejected: it is no HL7 message, has no MSH-10 to match an answer with, cannot be framed, or cannot be
                written in the endpoint's character set.
        """
        config = self.config
        header = heading(content)
        if self.charset and (header.charset != self.charset or not _is_in(content, self.charset, told)):
            content = recode(content, self.charset, told=told, unmappable=config.unmappable)
            header = heading(content, self.charset)
        raw = header.fields[9]
        if not raw and not self.in_turn:
            raise Rejected(
                "MSH-10 is empty: no acknowledgement could be matched with it", code="no_control_id"
            )
        if self.framing.end + self.framing.tail in content:
            raise Rejected("the message holds the bytes that end a frame", code="unframeable")
        asked = self._asked(header)
        return Sending(content, header.marks.read(raw), raw.encode(header.codec or "ascii"), *asked)

    def _asked(self, header: Header) -> tuple[bool, bool, bool]:
        """Return what MSH-15 and MSH-16 say of the answer: one is due, silence is good news, another one follows."""
        key = (header.fields[14], header.fields[15])
        found = self._asks.get(key)
        if found is None:
            acks = self.config.acks
            good, bad = answered_when_good(header, acks), answered_when_bad(header, acks)
            found = (good or bad, bad and not good, awaits_application(header, acks))
            if len(self._asks) < _ASKS_MAX:
                self._asks[key] = found
        return found

    # ------------------------------------------------------------- the desk of its connections

    def opened(self, link: Link) -> bool:
        self._count("connection")
        if not isinstance(self.pool, AnsweredPool):
            return True
        expected = self.context.name.rpartition(".")[0]
        exception = self.config.plaintext
        caller = caller_of(
            link.tls,
            link.address,
            identify=self.context.identify,
            certified=self.context.certified,
            expected=expected,
            plaintext=exception.allow if exception else None,
        )
        refused = caller.refusal or ("unknown_partner" if link.tls and caller.partner != expected else "")
        if refused:
            self._count(refused)
            self._log("a connection was refused", "connection_refused", refused)
            return False
        self.pool.arrived(link)
        return True

    def stray(self, link: Link, ack: Ack, data: bytes) -> bool:
        try:
            self._strays.put_nowait((link, ack, data))
        except asyncio.QueueFull:
            return False
        return True

    async def _confirm_strays(self) -> None:
        """Hand application acknowledgements that came later to whoever waits for them; distrust all others."""
        while True:
            link, ack, data = await self._strays.get()
            try:
                known = await self.context.confirm(confirmation_of(ack, data, endpoint=self.context.name))
            except (Transient, CommitUnknown):
                link.abort()  # the partner is to say it again, if it does; else the delivery's deadline passes
                continue
            if known:
                self._count("confirmation")
                for answer in self._acks.received(ack.header):
                    link.write(answer)
                continue
            self._count("unexpected_ack")
            self._log("an acknowledgement came that nothing waits for", "unexpected_ack", ack.code)
            link.distrust(
                "the partner acknowledged another message than the one that was sent", "wrong_ack", data
            )

    def _count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)

    def _log(self, text: str, action: str, code: str) -> None:
        code = code if code.isascii() and len(code) < 40 else "unknown"
        extra = {"action": action, "endpoint": self.context.name, "code": code}
        self.context.logger.warning(text, extra=extra)

    # ------------------------------------------------------------- probe

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        if isinstance(self.pool, AnsweredPool):
            return self._listening(self.pool)
        return await probed(self._look, _STAGES, seconds=_PROBE_SECONDS)

    async def _look(self, found: Stages) -> None:
        """Add what each stage shows; a stage that fails raises."""
        sock = await reach(self._destination, found)
        link = await wrap(self._destination, sock, lambda: Link(self), seconds=_PROBE_SECONDS)
        found.append(("tls", True, secured_by(link.tls)))
        link.close()
        await link.closed

    def _listening(self, pool: AnsweredPool) -> Sequence[tuple[str, bool, str]]:
        bound = pool.bound
        first = ("listen", bound is not None, str(bound or self.config.mllp))
        connected = pool.connected
        return [first, ("partner", connected > 0, f"{connected} connections are open")]


def _is_in(content: bytes, charset: str, told: str) -> bool:
    """Tell whether a message whose MSH-18 names a character set really is in it; `told` is what its listener knows.

    What reads as UTF-8 is UTF-8; single-byte sets read anything, so there the listener knows better.
    """
    if content.isascii():
        return True
    codecs = codecs_of(charset)[:1]
    if told and codecs != ("utf-8",):
        return codecs_of(told)[:1] == codecs
    try:
        return bool(codecs) and bool(content.decode(codecs[0]))
    except UnicodeDecodeError:
        return False


def _as_server(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the endpoint's TLS profile for connections that come in: the engine makes it for a client."""
    return server_context(tls.files) if isinstance(tls, RotatingContext) else tls
