"""Start a mail server (aiosmtpd) that requires STARTTLS with TLS 1.3, keeps what it accepts, and fails by script.

It runs in the test's own event loop, on a port that stays its own, so that it can be absent first and present later.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.peers.ports import free_port

PATIENCE = 30.0
ACCEPT = "accept"
HANG = "hang"
DROP = "drop"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message that the server took: the envelope and the bytes as they came."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    tls: str
    user: str

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class MailServer:
    """The server and its script.

    `script` holds one word per mail, the last one repeats: `accept`; `hang` (no reply to DATA); `drop` (the connection
    is cut at DATA); or a stage and a reply, such as `RCPT 550 5.1.1 no such mailbox`, `MAIL 421 4.3.2 closing` or
    `DATA 451 4.7.1 greylisted`.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        *,
        script: Sequence[str],
        credentials: tuple[str, str] | None,
    ) -> None:
        self.port = free_port()
        self.script = list(script)
        self.mails: list[Mail] = []
        self.attempts = 0
        self._context = context
        self._credentials = credentials
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[SMTP] = set()

    async def start(self) -> None:
        """Listen; what was accepted before is kept."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            _cut(connection)
        self._connections.clear()
        await self._server.wait_closed()
        self._server = None

    async def wait_for_mails(self, count: int) -> list[Mail]:
        """Return the mails once there are `count`; raises TimeoutError after 20 s."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.mails) >= count)
        return list(self.mails)

    async def wait_for_attempts(self, count: int) -> None:
        """Return once `count` mails were begun, refused ones included; raises TimeoutError after 20 s."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.attempts >= count)

    def _protocol(self) -> SMTP:
        connection = SMTP(
            self,
            hostname="mail.localhost",
            ident="test",
            tls_context=self._context,
            require_starttls=self._context is not None,
            auth_required=self._credentials is not None,
            auth_require_tls=self._context is not None,
            authenticator=self._authenticate,
        )
        self._connections.add(connection)
        return connection

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        known = (given.login.decode(), given.password.decode()) == self._credentials
        return AuthResult(success=known, handled=known, auth_data=given.login.decode() if known else None)

    def _answer(self, stage: str) -> str | None:
        """Return the scripted reply for this stage of the current mail, None when it does not fail here."""
        word = self.script[min(self.attempts, len(self.script)) - 1]
        at, _, reply = word.partition(" ")
        return reply if at == stage else None

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take part in aiosmtpd's protocol: a mail begins."""
        async with self._changed:
            self.attempts += 1
            self._changed.notify_all()
        refusal = self._answer("MAIL")
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 2.1.0 ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take part in aiosmtpd's protocol: one recipient."""
        refusal = self._answer("RCPT")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take part in aiosmtpd's protocol: the content is complete."""
        word = self.script[min(self.attempts, len(self.script)) - 1]
        if word == HANG:
            await asyncio.Event().wait()
        if word == DROP:
            _cut(server)
        refusal = self._answer("DATA")
        if refusal is None and word == ACCEPT:
            await self._keep(session, envelope)
        return refusal or "250 2.0.0 taken"

    async def _keep(self, session: Session, envelope: Envelope) -> None:
        assert envelope.mail_from is not None
        assert isinstance(envelope.original_content, bytes)
        mail = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            raw=envelope.original_content,
            tls=session.ssl["ssl_object"].version() if session.ssl else "",
            user=str(session.auth_data) if session.authenticated else "",
        )
        async with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()


@asynccontextmanager
async def smtp(
    certs: Path | None,
    *,
    script: Sequence[str] = (ACCEPT,),
    credentials: tuple[str, str] | None = None,
    present: bool = True,
) -> AsyncIterator[MailServer]:
    """Start a mail server with the engine's development certificate; `certs=None` is plaintext, no STARTTLS offered.

    With `present=False` nothing listens until `start()`.
    """
    server = MailServer(_tls(certs) if certs else None, script=script, credentials=credentials)
    try:
        if present:
            await server.start()
        yield server
    finally:
        await server.stop()


def _cut(connection: SMTP) -> None:
    """Abort the connection, unless it ends by itself: Python 3.11.2 fails in `abort` after a second `close`."""
    transport = connection.transport
    if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
        transport.abort()


def _tls(certs: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certs / "engine.pem", certs / "engine.key")
    return context
