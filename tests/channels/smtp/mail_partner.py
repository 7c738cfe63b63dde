"""A mail server as a partner: aiosmtpd with STARTTLS, told how to behave, counting its connections."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.smtp.model import SmtpConnection, SmtpEndpoint
from engine.config.models import MailAddress
from engine.security.secrets import Secret
from engine.security.tls import TlsFiles, client_context
from engine.testing.channels import Arrival, Behaviour, NetworkPartner
from tests.peers.smtp import ACCEPT, DROP, HANG, MailServer

USER, PASSWORD = "passerelle@example.org", "Sesame-1963"
RECIPIENT: MailAddress = "rdv@clinique-abc.example"
_SCRIPTS = {
    Behaviour.ACCEPTS: ACCEPT,
    Behaviour.REFUSES: "DATA 554 5.6.0 refused for its content, rdv@clinique-abc.example",
    Behaviour.BUSY: "RCPT 451 4.7.1 greylisted, rdv@clinique-abc.example",
    Behaviour.SILENT: HANG,
    Behaviour.DROPS: DROP,
}


def relay(
    port: int, *, starttls: str = "required", user: str = USER, password: str = PASSWORD
) -> SmtpConnection:
    """Describe the relay on a port of this machine."""
    written = {"smtp": f"localhost:{port}", "starttls": starttls, "from": "passerelle@example.org"}
    login = {"user": user, "password": Secret(password)} if user else {}
    return SmtpConnection.model_validate({**written, **login})


class CountingServer(MailServer):
    """A mail server that remembers what reached it, refused or not, and its connections."""

    def __init__(self, certs: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certs / "engine.pem", certs / "engine.key")
        super().__init__(context, script=[ACCEPT], credentials=(USER, PASSWORD))
        self.arrivals: list[Arrival] = []
        self.opened = 0
        self.live: set[SMTP] = set()

    def _protocol(self) -> SMTP:
        connection = super()._protocol()
        self.opened += 1
        self.live.add(connection)
        lost = connection.connection_lost

        def forget(error: Exception | None) -> None:
            self.live.discard(connection)
            lost(error)

        connection.connection_lost = forget  # type: ignore[method-assign]  # aiosmtpd offers no hook for it
        return connection

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take part in aiosmtpd's protocol: the content is complete."""
        self.arrivals.append(arrival(cast("bytes", envelope.original_content)))
        return await super().handle_DATA(server, session, envelope)


def arrival(raw: bytes) -> Arrival:
    """Return a mail as the suite compares it."""
    return Arrival(str(message_from_bytes(raw)["Message-ID"])[1:].partition("@")[0], raw)


class MailPartner(NetworkPartner):
    """The server, and the endpoint that reaches it."""

    secrets = (PASSWORD,)
    loggers = ("mail.log",)

    def __init__(self, server: CountingServer, certs: Path) -> None:
        self._server = server
        self.config = SmtpEndpoint(smtp=RECIPIENT)
        self.connection = relay(server.port)
        self.tls = client_context(TlsFiles(ca=certs / "ca.pem"))

    async def become(self, behaviour: Behaviour) -> None:
        await self._server.stop()
        if behaviour is not Behaviour.ABSENT:
            self._server.script = [_SCRIPTS[behaviour]]
            await self._server.start()

    async def arrivals(self) -> Sequence[Arrival]:
        return list(self._server.arrivals)

    async def accepted(self) -> Sequence[Arrival]:
        return [arrival(mail.raw) for mail in self._server.mails]

    def opened(self) -> int:
        return self._server.opened

    def live(self) -> int:
        return len(self._server.live)
