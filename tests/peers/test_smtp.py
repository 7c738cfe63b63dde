"""The mail server takes mail by STARTTLS only, and refuses where its script says so."""

import asyncio
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from engine.security.tls import TlsFiles, client_context
from tests.peers.ports import listens
from tests.peers.smtp import DROP, HANG, MailServer, smtp


async def send(server: MailServer, certs: Path | None, **options: object) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "p@example.org", "c@example.org", "Avis"
    message.set_content("Un message vous attend.")
    context = client_context(TlsFiles(ca=certs / "ca.pem")) if certs else None
    await aiosmtplib.send(
        message,
        hostname="127.0.0.1",
        port=server.port,
        start_tls=certs is not None,
        tls_context=context,
        timeout=10,
        **options,  # type: ignore[arg-type] # each test gives the library's own keywords
    )


async def test_the_mail_server_takes_mail_over_starttls_with_tls_1_3(dev_certs: Path) -> None:
    async with smtp(dev_certs) as server:
        await send(server, dev_certs)
        [mail] = await server.wait_for_mails(1)
    assert (mail.sender, mail.recipients, mail.tls) == ("p@example.org", ("c@example.org",), "TLSv1.3")
    assert mail.message["Subject"] == "Avis"
    assert mail.raw.endswith(b"Un message vous attend.\r\n")


async def test_mail_without_starttls_is_refused(dev_certs: Path) -> None:
    async with smtp(dev_certs) as server:
        with pytest.raises(aiosmtplib.SMTPResponseException) as caught:
            await send(server, None)
    assert caught.value.code == 530
    assert server.mails == []


async def test_a_server_without_certificates_takes_plain_mail() -> None:
    async with smtp(None) as server:
        await send(server, None)
    assert [mail.tls for mail in server.mails] == [""]


async def test_it_asks_for_a_user_where_it_has_credentials(dev_certs: Path) -> None:
    async with smtp(dev_certs, credentials=("passerelle", "mot-de-passe")) as server:
        with pytest.raises(aiosmtplib.SMTPResponseException):
            await send(server, dev_certs)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(server, dev_certs, username="passerelle", password="autre")
        await send(server, dev_certs, username="passerelle", password="mot-de-passe")
    assert [mail.user for mail in server.mails] == ["passerelle"]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("MAIL 421 4.3.2 closing", 421),
        ("RCPT 450 4.2.0 greylisted", 450),
        ("RCPT 550 5.1.1 no such mailbox", 550),
        ("DATA 452 4.3.1 disk full", 452),
        ("DATA 554 5.6.0 refused", 554),
    ],
)
async def test_it_refuses_at_the_stage_of_the_script_and_takes_the_next_mail(
    dev_certs: Path, word: str, code: int
) -> None:
    async with smtp(dev_certs, script=[word, "accept"]) as server:
        with pytest.raises(aiosmtplib.SMTPException) as caught:
            await send(server, dev_certs)
        await send(server, dev_certs)
    first = (
        caught.value.recipients[0]
        if isinstance(caught.value, aiosmtplib.SMTPRecipientsRefused)
        else caught.value
    )
    assert getattr(first, "code", None) == code
    assert (server.attempts, len(server.mails)) == (2, 1)


async def test_it_hangs_at_the_content(dev_certs: Path) -> None:
    async with smtp(dev_certs, script=[HANG]) as server:
        sending = asyncio.create_task(send(server, dev_certs))
        await server.wait_for_attempts(1)
        assert not sending.done()
        await server.stop()
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await sending
    assert server.mails == []


async def test_it_cuts_the_connection_at_the_content(dev_certs: Path) -> None:
    async with smtp(dev_certs, script=[DROP, "accept"]) as server:
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await send(server, dev_certs)
        await send(server, dev_certs)
    assert len(server.mails) == 1


async def test_the_mail_server_can_be_absent_then_present(dev_certs: Path) -> None:
    async with smtp(dev_certs, present=False) as server:
        with pytest.raises(aiosmtplib.SMTPConnectError):
            await send(server, dev_certs)
        await server.start()
        await send(server, dev_certs)
    assert not listens(server.port)
