"""Sends each notice over a connection of its own: notices are rare, and what timed out can never be used again.

The relay's certificate is checked and there is no way back to plaintext: without STARTTLS nothing is sent
(RFC 3207 4, RFC 8314 3).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPTimeoutError,
)

from channels.smtp.meaning import Stage, meaning
from channels.smtp.model import SmtpConnection, SmtpEndpoint
from channels.smtp.notice import compose
from engine.errors import NotFound, PasserelleError, Permanent, Transient
from engine.model import Attempt, Reply
from engine.security.diagnosis import diagnose
from engine.spi import ChannelContext, Outbound

_PROBE_SECONDS = 10.0
_QUIT_SECONDS = 0.5


class _Conversation:
    """One connection to the relay, and how far it came."""

    def __init__(self, client: SMTP) -> None:
        self.client = client
        self.stage = Stage.CONNECT

    async def mail(self, sender: str, recipient: str, content: bytes) -> Reply:
        self.stage = Stage.MAIL
        await self.client.mail(sender)
        self.stage = Stage.RECIPIENT
        await self.client.rcpt(recipient)
        self.stage = Stage.DATA
        answer = await self.client.data(content)
        return Reply(str(answer.code), answer.message.encode("utf-8", "surrogateescape"))

    async def quit(self) -> None:
        """Say good-bye; the mail is taken, whatever comes of it."""
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self.client.quit()
        except (SMTPException, OSError, TimeoutError):
            return

    def reset(self) -> None:
        """Close the socket at once; with TLS a close in order would wait for a relay that is silent."""
        if self.client.transport is not None:
            cast("asyncio.Transport", self.client.transport).abort()  # uvloop's is one in all but name
        self.client.close()


class SmtpOutbound(Outbound):
    """Delivers notices to one address; `Reply.code` is the relay's, `250`."""

    config: SmtpEndpoint

    def __init__(self, config: SmtpEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        if not isinstance(context.connection, SmtpConnection):
            raise NotFound(f"{context.name} has no mail relay: add one under `connections:`")
        self._relay = context.connection
        self._sender = config.sender or self._relay.envelope_sender
        self._tls = context.tls or _checked_context()

    async def send(self, attempt: Attempt) -> Reply:
        body = attempt.body
        content = body.data if body.data is not None else await asyncio.to_thread(body.read)
        mail = compose(
            attempt,
            content,
            sender=self._sender,
            recipient=self.config.smtp,
            subject=self.config.subject,
            now_ms=self.context.clock.now_ms(),
        )
        async with self._conversation(attempt.timeout) as conversation:
            return await conversation.mail(self._sender, self.config.smtp, mail)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        stages = [
            "relay",
            *(["tls"] if self._relay.starttls != "none" else []),
            *(["login"] if self._relay.user else []),
        ]
        try:
            async with self._conversation(_PROBE_SECONDS) as conversation:
                await conversation.client.noop()
        except PasserelleError as error:
            return [("relay", False, str(error))]
        return [(stage, True, str(self._relay.smtp)) for stage in stages]

    @asynccontextmanager
    async def _conversation(self, seconds: float) -> AsyncIterator[_Conversation]:
        """Connect, change to TLS and log in; all that happens within is said in our errors."""
        conversation = _Conversation(self._client(seconds))
        try:
            async with asyncio.timeout(seconds):
                await self._begin(conversation)
                yield conversation
            await conversation.quit()
        except TimeoutError:
            raise self._unanswered(conversation, f"did not answer within {seconds:g} s", "timeout") from None
        except (SMTPException, OSError) as error:
            raise self._failed(conversation, error) from error
        finally:
            conversation.reset()

    async def _begin(self, conversation: _Conversation) -> None:
        client = conversation.client
        await client.connect()
        await client.ehlo()
        if self._relay.starttls == "required":
            if not client.supports_extension("starttls"):
                raise Permanent(
                    f"the relay {self._relay.smtp} offers no STARTTLS, and nothing is sent in clear",
                    code="no_starttls",
                )
            await client.starttls()
            await client.ehlo()
        if self._relay.user and self._relay.password is not None:
            conversation.stage = Stage.LOGIN
            await client.login(self._relay.user, self._relay.password.reveal())

    def _client(self, seconds: float) -> SMTP:
        return SMTP(
            hostname=self._relay.smtp.host,
            port=self._relay.smtp.port,
            local_hostname=self._sender.rpartition("@")[2],
            timeout=seconds,
            use_tls=self._relay.starttls == "implicit",
            start_tls=False,  # not left to the library: it is asked for, checked, and never done without
            tls_context=self._tls,
        )

    def _failed(self, conversation: _Conversation, error: SMTPException | OSError) -> PasserelleError:
        failure = diagnose(error)
        if failure is not None:
            kind = Transient if failure.code in ("silent", "cut_off") else Permanent
            return kind(f"TLS with the relay {self._relay.smtp} failed: {failure.text}", code=failure.code)
        if isinstance(error, SMTPResponseException) and error.code > 0:
            return meaning(conversation.stage, error.code, str(error.message))
        if isinstance(error, SMTPTimeoutError):
            return self._unanswered(conversation, "did not answer in time", "timeout")
        if isinstance(error, SMTPConnectError):
            return Transient(f"the relay {self._relay.smtp} cannot be reached", code="absent")
        if conversation.stage is Stage.LOGIN and not isinstance(error, OSError):
            return Permanent(f"the relay {self._relay.smtp} offers no way to log in", code="auth")
        return self._unanswered(conversation, "closed the connection", "lost")

    def _unanswered(self, conversation: _Conversation, what: str, code: str) -> Transient:
        sent = conversation.stage is Stage.DATA
        return Transient(f"the relay {self._relay.smtp} {what}", sent=sent, code=code)


def _checked_context() -> ssl.SSLContext:
    """TLS 1.2 or 1.3, the authorities of the system, the name checked: what public relays can do (RFC 8314 4.1)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
