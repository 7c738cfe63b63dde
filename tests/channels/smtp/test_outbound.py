"""Mail through a relay: the contract, then TLS, replies and what a notice looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import ValidationError

from channels.smtp.meaning import Stage, meaning
from channels.smtp.model import SmtpConnection, SmtpEndpoint
from channels.smtp.notice import compose, message_id
from channels.smtp.outbound import SmtpOutbound
from engine.config.models import Exposure
from engine.errors import NotFound, PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body
from engine.security.secrets import Secret
from engine.security.tls import TlsFiles, client_context, server_context
from engine.testing.channels import NetworkOutboundContract, NetworkPartner, channel_context
from tests.channels.certified import Certified
from tests.channels.smtp.mail_partner import RECIPIENT, USER, CountingServer, MailPartner, relay
from tests.peers.smtp import MailServer, smtp
from tests.security.handshakes import files_of


class TestSmtpOutbound(Certified, NetworkOutboundContract):
    """A relay says `later` without a time; what it refuses for its content is rejected."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        server = CountingServer(self.certs)
        await server.start()
        try:
            yield MailPartner(server, self.certs)
        finally:
            await server.stop()

    def content(self, text: str) -> tuple[bytes, str]:
        return json.dumps({"subject": "Avis", "text": text}).encode(), "application/json"


def attempt(content: bytes = b"Un message vous attend.", content_type: str = "text/plain") -> Attempt:
    return Attempt(1, "01JD0000000000000001", 1, "clinic-a.mail", Body.of(content), content_type, 5.0)


def channel(
    server: MailServer, folder: Path, certs: Path | None, connection: SmtpConnection | None = None
) -> SmtpOutbound:
    tls = client_context(TlsFiles(ca=certs / "ca.pem")) if certs else None
    context = channel_context(folder, tls=tls, connection=connection or relay(server.port, user=""))
    return SmtpOutbound(SmtpEndpoint(smtp=RECIPIENT), context)


async def failure(out: SmtpOutbound) -> PasserelleError:
    """Return what sending raises."""
    async with out:
        with pytest.raises(PasserelleError) as caught:
            await out.send(attempt())
    return caught.value


async def test_the_mail_travels_by_tls_1_3_with_all_its_headers(dev_certs: Path, tmp_path: Path) -> None:
    async with smtp(dev_certs) as server, channel(server, tmp_path, dev_certs) as out:
        reply = await out.send(attempt("Un message vous attend. À bientôt".encode()))
        [mail] = await server.wait_for_mails(1)
    assert (reply.code, mail.tls) == ("250", "TLSv1.3")
    assert (mail.sender, mail.recipients) == ("passerelle@example.org", (RECIPIENT,))
    assert mail.message["Message-ID"] == "<01JD0000000000000001@example.org>"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert (mail.message["From"], mail.message["To"]) == ("passerelle@example.org", RECIPIENT)
    assert mail.message["Subject"] == "Un message vous attend / A message awaits you"
    assert mail.message["Date"] is not None
    assert mail.message.get_content().strip() == "Un message vous attend. À bientôt"


async def test_without_starttls_nothing_is_sent(tmp_path: Path) -> None:
    async with smtp(None) as server:
        error = await failure(channel(server, tmp_path, None))
        assert server.attempts == 0
    assert isinstance(error, Permanent)
    assert (error.code, "offers no STARTTLS" in str(error)) == ("no_starttls", True)


async def test_a_certificate_of_strangers_is_refused(
    dev_certs: Path, stranger_certs: Path, tmp_path: Path
) -> None:
    async with smtp(stranger_certs) as server:
        error = await failure(channel(server, tmp_path, dev_certs))
        assert server.attempts == 0
    assert isinstance(error, Permanent)
    assert error.code == "wrong_ca"


async def test_a_certificate_is_checked_without_a_profile_too(dev_certs: Path, tmp_path: Path) -> None:
    async with smtp(dev_certs) as server:
        error = await failure(channel(server, tmp_path, None))
    assert isinstance(error, Permanent)
    assert error.code == "wrong_ca"


async def test_plaintext_is_possible_where_the_relay_says_so(tmp_path: Path) -> None:
    async with smtp(None) as server:
        plain = relay(server.port, starttls="none", user="")
        async with channel(server, tmp_path, None, plain) as out:
            assert (await out.send(attempt())).code == "250"


class Taking:
    """A handler of aiosmtpd that takes everything."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take part in aiosmtpd's protocol: the content is complete."""
        self.mails.append(envelope)
        return "250 2.0.0 taken"


async def test_tls_from_the_first_byte(dev_certs: Path, tmp_path: Path) -> None:
    handler = Taking()
    tls = server_context(files_of(dev_certs, "engine"), clients="none")
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: SMTP(handler), "127.0.0.1", 0, ssl=tls) as server:
        connection = relay(server.sockets[0].getsockname()[1], starttls="implicit", user="")
        ours = client_context(TlsFiles(ca=dev_certs / "ca.pem"))
        out = SmtpOutbound(
            SmtpEndpoint(smtp=RECIPIENT), channel_context(tmp_path, tls=ours, connection=connection)
        )
        async with out:
            assert (await out.send(attempt())).code == "250"
    assert [envelope.rcpt_tos for envelope in handler.mails] == [[RECIPIENT]]


async def test_a_wrong_password_is_permanent(dev_certs: Path, tmp_path: Path) -> None:
    async with smtp(dev_certs, credentials=(USER, "another")) as server:
        error = await failure(channel(server, tmp_path, dev_certs, relay(server.port)))
    assert isinstance(error, Permanent)
    assert error.code == "535"


async def test_the_login_is_used(dev_certs: Path, tmp_path: Path) -> None:
    async with smtp(dev_certs, credentials=(USER, "Sesame-1963")) as server:
        async with channel(server, tmp_path, dev_certs, relay(server.port)) as out:
            await out.send(attempt())
        assert server.mails[0].user == USER


async def test_what_is_no_mail_server_is_sent_nothing(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        connection = relay(server.sockets[0].getsockname()[1], user="")
        out = SmtpOutbound(SmtpEndpoint(smtp=RECIPIENT), channel_context(tmp_path, connection=connection))
        error = await failure(out)
    assert not getattr(error, "sent", False)


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind"),
    [
        (Stage.CONNECT, 421, "4.3.2 closing", Transient),
        (Stage.CONNECT, 554, "no service here", Permanent),
        (Stage.LOGIN, 454, "4.7.0 temporary", Transient),
        (Stage.LOGIN, 535, "5.7.8 wrong", Permanent),
        (Stage.MAIL, 530, "5.7.0 must log in", Permanent),
        (Stage.MAIL, 553, "sender unknown", Permanent),
        (Stage.RECIPIENT, 450, "mailbox busy", Transient),
        (Stage.RECIPIENT, 550, "5.1.1 no such user", Permanent),
        (Stage.RECIPIENT, 551, "not local", Permanent),
        (Stage.RECIPIENT, 552, "too many recipients", Transient),
        (Stage.RECIPIENT, 552, "5.2.2 mailbox full", Permanent),
        (Stage.RECIPIENT, 554, "5.7.1 relaying denied", Permanent),
        (Stage.RECIPIENT, 556, "domain takes no mail", Permanent),
        (Stage.DATA, 451, "4.3.0 try later", Transient),
        (Stage.DATA, 452, "4.3.1 disk full", Transient),
        (Stage.DATA, 552, "too large", Rejected),
        (Stage.DATA, 552, "5.3.4 too large", Rejected),
        (Stage.DATA, 552, "5.2.2 mailbox full", Permanent),
        (Stage.DATA, 554, "unwelcome", Rejected),
        (Stage.DATA, 554, "5.6.0 content", Rejected),
        (Stage.DATA, 550, "5.7.1 looks like spam", Rejected),
        (Stage.DATA, 550, "unwilling", Permanent),
        (Stage.DATA, 500, "what?", Permanent),
    ],
)
def test_each_reply_has_its_meaning(stage: Stage, code: int, text: str, kind: type[PasserelleError]) -> None:
    error = meaning(stage, code, text)
    assert isinstance(error, kind)
    assert error.reply is not None  # type: ignore[attr-defined]  # each of the three kinds has one
    assert text.split(maxsplit=1)[-1] not in str(error)


def parsed(content: bytes, content_type: str) -> tuple[str, str]:
    """Return subject and text of the composed mail."""
    raw = compose(
        attempt(content, content_type),
        content,
        sender="a@example.org",
        recipient=RECIPIENT,
        subject="Défaut",
        now_ms=0,
    )
    message = message_from_bytes(raw, policy=policy.default)
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    return str(message["Subject"]), text.decode().strip()


def test_a_json_body_brings_subject_and_text() -> None:
    body = json.dumps(
        {"subject": "Rendez-vous modifié", "text": "Voir le dossier.\nSee the record."}
    ).encode()
    assert parsed(body, "application/json; charset=utf-8") == (
        "Rendez-vous modifié",
        "Voir le dossier.\r\nSee the record.",
    )


def test_another_body_is_the_text() -> None:
    assert parsed(b'{"not": "read"}', "text/plain") == ("Défaut", '{"not": "read"}')


def test_a_subject_cannot_bring_another_header() -> None:
    body = json.dumps({"subject": "Avis\r\nBcc: x@example.org", "text": "t"}).encode()
    assert parsed(body, "application/json")[0] == "Avis Bcc: x@example.org"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b'{"text": "t"}', "subject"),
        (b'{"subject": "s", "text": 3}', "text"),
        (b'{"subject": " ", "text": "t"}', "subject"),
        (b'{"subject": "s", "text": "t", "patient": "Zelie"}', "patient"),
    ],
)
def test_what_is_no_notice_is_rejected_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(Rejected) as caught:
        parsed(body, "application/json")
    assert [fault.path for fault in caught.value.faults] == [path]
    assert "Zelie" not in str(caught.value)


def test_ids_of_other_systems_stay_apart_in_a_message_id() -> None:
    assert message_id("MSG 1/2", "a@example.org") == "<MSG%201%2F2@example.org>"


def test_mail_never_carries_full_health_information() -> None:
    with pytest.raises(ValidationError, match="never carries full"):
        SmtpEndpoint.model_validate({"smtp": RECIPIENT, "phi": "full"})


@pytest.mark.parametrize(
    "keys",
    [
        {"smtp": "mail.example.org"},
        {"user": "passerelle"},
        {"starttls": "maybe"},
        {"password": Secret("x")},
    ],
)
def test_a_relay_is_described_whole(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmtpConnection.model_validate({"smtp": "mail.example.org:587", **keys})


@pytest.mark.parametrize(
    ("keys", "sender"),
    [
        ({}, "passerelle@mail.example.org"),
        ({"user": "rdv@example.org", "password": Secret("x")}, "rdv@example.org"),
        ({"user": "rdv", "password": Secret("x"), "from": "avis@example.org"}, "avis@example.org"),
    ],
)
def test_mails_come_from_an_address_that_exists(keys: dict[str, object], sender: str) -> None:
    assert SmtpConnection.model_validate({"smtp": "mail.example.org:587", **keys}).envelope_sender == sender


def test_only_plaintext_is_exposed() -> None:
    def exposed(starttls: str) -> Exposure | None:
        return SmtpConnection.model_validate(
            {"smtp": "mail.example.org:587", "starttls": starttls}
        ).exposure()

    assert exposed("required") == exposed("implicit") == Exposure("mail.example.org", encrypted=True)
    assert exposed("none") == Exposure("mail.example.org", encrypted=False)


def test_an_endpoint_without_relay_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no mail relay"):
        SmtpOutbound(SmtpEndpoint(smtp=RECIPIENT), channel_context(tmp_path))
