"""Real handshakes: who gets in, who is refused, and what each side can say about it."""

import asyncio
import shutil
import ssl
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import uvloop

from engine.security.certificates import make_dev_certificates
from engine.security.diagnosis import TlsFailure, diagnose, explain_tls_error
from engine.security.identity import UnusableCertificate, authority_name, peer_certificate
from engine.security.tls import RotatingContext, TlsFiles, client_context, server_context, watch
from tests.security.fixed_clock import FixedClock
from tests.security.handshakes import GREETING, door, files_of, knock

CLINIC = "clinique-abc"


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, with `expired` issued by it 400 days ago and the rest today."""
    folder = tmp_path_factory.mktemp("certs")
    make_dev_certificates(folder, ["expired"], clock=FixedClock(timedelta(days=-400)))
    make_dev_certificates(folder, [CLINIC])
    return folder


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another authority that nobody here trusts, with the same names."""
    folder = tmp_path_factory.mktemp("strangers")
    make_dev_certificates(folder, [CLINIC])
    return folder


def listening(files: TlsFiles, *, clients: str = "required") -> tuple[RotatingContext, list[TlsFailure]]:
    """A listener's context and the list that its refusals go to."""
    context = server_context(files, clients=clients)
    refusals: list[TlsFailure] = []
    context.refused = refusals.append
    return context, refusals


def tls_1_2_client(certs: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certs / "ca.pem")
    context.load_cert_chain(certs / f"{CLINIC}.pem", certs / f"{CLINIC}.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def tls_1_2_server(certs: Path) -> ssl.SSLContext:
    """What a plain asyncio server has: it writes no alert when it refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / f"{CLINIC}.pem", certs / f"{CLINIC}.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_both_sides_prove_who_they_are(certs: Path) -> None:
    context, refusals = listening(files_of(certs, "engine"))
    async with door(context) as opened:
        answer, _ = await knock(opened.port, client_context(files_of(certs, CLINIC)))
    caller = opened.callers[0]
    assert answer == GREETING
    assert refusals == []
    assert caller is not None
    assert caller.issuer == authority_name(certs / "ca.pem")
    assert f"dns:{CLINIC}.localhost" in caller.names
    assert f"uri:urn:passerelle:dev:{CLINIC}" in caller.names


async def test_the_common_name_is_no_part_of_an_identity(certs: Path) -> None:
    async with door(server_context(files_of(certs, "engine"))) as opened:
        await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert opened.callers[0] is not None
    assert CLINIC not in opened.callers[0].names
    assert CLINIC not in opened.callers[0].issuer


async def test_tls_1_3_is_what_is_spoken(certs: Path) -> None:
    async with door(server_context(files_of(certs, "engine"))) as opened:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", opened.port, ssl=client_context(files_of(certs, CLINIC)), server_hostname="localhost"
        )
        version = writer.get_extra_info("ssl_object").version()
        writer.transport.abort()
    assert version == "TLSv1.3"


async def test_a_client_that_offers_only_tls_1_2_is_refused_and_the_cause_is_readable(certs: Path) -> None:
    context, refusals = listening(files_of(certs, "engine"))
    async with door(context) as opened:
        with pytest.raises(ssl.SSLError) as caught:
            await knock(opened.port, tls_1_2_client(certs))
    assert [failure.text for failure in refusals] == ["the peer offers no TLS 1.3, only TLS 1.2 or older"]
    assert diagnose(caught.value) is not None
    assert opened.callers == []


async def test_a_server_that_offers_only_tls_1_2_is_refused_and_the_cause_is_readable(certs: Path) -> None:
    alerting = RotatingContext(lambda: tls_1_2_server(certs), TlsFiles())
    async with door(alerting) as opened:
        with pytest.raises(ssl.SSLError) as caught:
            await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert explain_tls_error(caught.value) == "the peer offers no TLS 1.3, only TLS 1.2 or older"


async def test_a_server_that_writes_no_alert_leaves_two_causes_open(certs: Path) -> None:
    async with door(tls_1_2_server(certs)) as opened:
        with pytest.raises(ConnectionResetError) as caught:
            await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert diagnose(caught.value) is None
    assert "maybe it speaks no TLS 1.3, maybe it refuses our certificate" in explain_tls_error(caught.value)


async def test_a_server_of_another_authority_is_refused(certs: Path, strangers: Path) -> None:
    async with door(server_context(files_of(strangers, CLINIC, ca=certs / "ca.pem"))) as opened:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await knock(opened.port, client_context(files_of(certs, "engine")))
    assert explain_tls_error(caught.value) == "the peer's certificate is not signed by our CA"


async def test_a_server_whose_certificate_has_expired_is_refused(certs: Path) -> None:
    async with door(server_context(files_of(certs, "expired"))) as opened:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await knock(opened.port, client_context(files_of(certs, "engine")))
    assert explain_tls_error(caught.value) == "the peer's certificate has expired"


async def test_a_server_with_another_host_name_is_refused(certs: Path) -> None:
    async with door(server_context(files_of(certs, CLINIC))) as opened:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await knock(opened.port, client_context(files_of(certs, "engine")), host="dme.example")
    assert explain_tls_error(caught.value) == "the peer's certificate is for another host name"


@pytest.mark.parametrize(
    ("who", "told", "text"),
    [
        (
            "nobody",
            "the peer requires a client certificate, and we presented none",
            "the peer presented no certificate, and one is required",
        ),
        ("expired", "the peer refused our certificate: it has expired", "the peer's certificate has expired"),
        (
            "stranger",
            "the peer refused our certificate: it does not trust our CA",
            "the peer's certificate is not signed by our CA",
        ),
    ],
)
async def test_a_refused_client_learns_it_at_its_first_read_only(
    certs: Path, strangers: Path, who: str, told: str, text: str
) -> None:
    client = {
        "nobody": TlsFiles(ca=certs / "ca.pem"),
        "expired": files_of(certs, "expired"),
        "stranger": files_of(strangers, CLINIC, ca=certs / "ca.pem"),
    }[who]
    context, refusals = listening(files_of(certs, "engine"))
    async with door(context) as opened:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", opened.port, ssl=client_context(client), server_hostname="localhost"
        )  # TLS 1.3: the handshake is over for the client before the server has looked at its certificate
        with pytest.raises(ssl.SSLError) as caught:
            await reader.readline()
        writer.transport.abort()
    assert explain_tls_error(caught.value) == told
    assert [failure.text for failure in refusals] == [text]
    assert opened.callers == []


async def test_a_client_may_stay_unknown_where_certificates_are_optional(certs: Path) -> None:
    context, _ = listening(files_of(certs, "engine"), clients="optional")
    async with door(context) as opened:
        anonymous, _ = await knock(opened.port, client_context(TlsFiles(ca=certs / "ca.pem")))
        known, _ = await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert (anonymous, known) == (GREETING, GREETING)
    assert opened.callers[0] is None
    assert opened.callers[1] is not None


async def test_a_certificate_of_another_authority_is_refused_where_certificates_are_optional(
    certs: Path, strangers: Path
) -> None:
    context, refusals = listening(files_of(certs, "engine"), clients="optional")
    async with door(context) as opened:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await knock(opened.port, client_context(files_of(strangers, CLINIC, ca=certs / "ca.pem")))
    assert [failure.code for failure in refusals] == ["wrong_ca"]


async def test_no_certificate_is_asked_for_where_clients_are_none(certs: Path) -> None:
    files = TlsFiles(certs / "engine.pem", certs / "engine.key")
    async with door(server_context(files, clients="none")) as opened:
        answer, _ = await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert answer == GREETING
    assert opened.callers == [None]


async def test_a_port_without_tls_is_said_to_have_none(certs: Path) -> None:
    async with door(None) as opened:
        with pytest.raises(ssl.SSLError) as caught:
            await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert explain_tls_error(caught.value) == "the peer does not speak TLS on this port"


async def test_plain_http_on_a_tls_port_is_recognised(certs: Path) -> None:
    context, refusals = listening(files_of(certs, "engine"))
    async with door(context) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(b"POST /v1/appointments HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()
    assert [failure.text for failure in refusals] == ["the peer speaks plain HTTP on a TLS port"]


async def test_the_cause_is_found_inside_the_error_of_an_http_client(certs: Path, strangers: Path) -> None:
    async with (
        door(server_context(files_of(strangers, CLINIC))) as opened,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(
                f"https://127.0.0.1:{opened.port}/", ssl=client_context(files_of(certs, "engine"))
            )
    assert explain_tls_error(caught.value) == "the peer's certificate is not signed by our CA"


async def test_new_connections_see_new_files_and_open_ones_live_on(certs: Path, tmp_path: Path) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    context = server_context(files_of(current, "engine"))
    client = client_context(files_of(certs, CLINIC))
    async with door(context) as opened:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", opened.port, ssl=client, server_hostname="localhost"
        )
        _, before = await knock(opened.port, client)
        shutil.copy(certs / f"{CLINIC}.pem", current / "engine.pem")
        shutil.copy(certs / f"{CLINIC}.key", current / "engine.key")
        assert context.changed()
        context.reload()
        _, after = await knock(opened.port, client)
        writer.write(b"still here\n")
        assert await reader.readline() == GREETING
        writer.transport.abort()
    assert before != after
    assert not context.changed()


async def test_a_reload_changes_whom_a_listener_trusts(certs: Path, strangers: Path, tmp_path: Path) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    context, refusals = listening(files_of(current, "engine"))
    client = client_context(files_of(certs, CLINIC))
    async with door(context) as opened:
        assert (await knock(opened.port, client))[0] == GREETING
        shutil.copy(strangers / "ca.pem", current / "ca.pem")
        context.reload()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await knock(opened.port, client)
    assert [failure.code for failure in refusals] == ["wrong_ca"]


async def test_a_reload_changes_whom_a_client_trusts(certs: Path, strangers: Path, tmp_path: Path) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    client = client_context(files_of(current, CLINIC))
    async with door(server_context(files_of(certs, "engine"))) as opened:
        assert (await knock(opened.port, client))[0] == GREETING
        shutil.copy(strangers / "ca.pem", current / "ca.pem")
        client.reload()
        with pytest.raises(ssl.SSLCertVerificationError):
            await knock(opened.port, client)


def test_uvloop_sees_a_reload_too(certs: Path, tmp_path: Path) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    context, refusals = listening(files_of(current, "engine"))

    async def meet() -> tuple[str, str]:
        client = client_context(files_of(certs, CLINIC))
        async with door(context) as opened:
            _, before = await knock(opened.port, client)
            shutil.copy(certs / f"{CLINIC}.pem", current / "engine.pem")
            shutil.copy(certs / f"{CLINIC}.key", current / "engine.key")
            context.reload()
            _, after = await knock(opened.port, client)
            with pytest.raises(ssl.SSLError):
                await knock(opened.port, tls_1_2_client(certs))
        return before, after

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        before, after = runner.run(meet())
    assert before != after
    assert [failure.code for failure in refusals] == ["old_tls"]


async def test_a_failed_reload_keeps_the_running_files(certs: Path, tmp_path: Path) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    context = server_context(files_of(current, "engine"))
    (current / "engine.pem").write_text("half a cert")
    with pytest.raises(UnusableCertificate, match=r"engine\.pem"):
        context.reload()
    async with door(context) as opened:
        answer, _ = await knock(opened.port, client_context(files_of(certs, CLINIC)))
    assert answer == GREETING


class Enough(Exception):
    """The clock of a test ran out."""


class CountingClock(FixedClock):
    """Lets a loop turn a few times, then ends it."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if len(self.waited) > self.turns:
            raise Enough


async def test_watching_reports_a_change_once_and_a_broken_file_once(certs: Path, tmp_path: Path) -> None:
    good, broken = shutil.copytree(certs, tmp_path / "good"), shutil.copytree(certs, tmp_path / "broken")
    contexts = [server_context(files_of(folder, "engine")) for folder in (good, broken)]
    shutil.copy(certs / f"{CLINIC}.pem", good / "engine.pem")
    shutil.copy(certs / f"{CLINIC}.key", good / "engine.key")
    (broken / "engine.key").unlink()
    reports: list[tuple[RotatingContext, UnusableCertificate | None]] = []
    clock = CountingClock(turns=3)
    with pytest.raises(Enough):
        await watch(contexts, clock, lambda context, error: reports.append((context, error)), every=7)
    assert clock.waited == [7, 7, 7, 7]
    assert [context for context, _ in reports] == contexts
    assert reports[0][1] is None
    assert "engine.key" in str(reports[1][1])


@pytest.mark.parametrize("missing", ["engine.pem", "engine.key", "ca.pem"])
def test_a_missing_file_is_named(certs: Path, tmp_path: Path, missing: str) -> None:
    current = shutil.copytree(certs, tmp_path / "current")
    (current / missing).unlink()
    with pytest.raises(UnusableCertificate, match=f"{missing}: No such file"):
        server_context(files_of(current, "engine"))


def test_a_key_of_another_certificate_is_said_to_be_so(certs: Path) -> None:
    files = TlsFiles(certs / "engine.pem", certs / f"{CLINIC}.key", certs / "ca.pem")
    with pytest.raises(UnusableCertificate, match="the private key does not belong to the certificate"):
        server_context(files)


def test_a_file_of_authorities_without_one_is_refused(certs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing here\n")
    with pytest.raises(UnusableCertificate, match=r"empty\.pem holds no usable certificate authority"):
        server_context(files_of(certs, "engine", ca=tmp_path / "empty.pem"))


def test_a_listener_needs_a_certificate_and_an_authority_for_its_clients(certs: Path) -> None:
    with pytest.raises(UnusableCertificate, match="needs a certificate"):
        server_context(TlsFiles(ca=certs / "ca.pem"))
    with pytest.raises(UnusableCertificate, match="name its file"):
        server_context(TlsFiles(certs / "engine.pem", certs / "engine.key"))
    with pytest.raises(ValueError, match="sometimes"):
        server_context(files_of(certs, "engine"), clients="sometimes")


def test_without_an_authority_a_client_trusts_the_systems() -> None:
    context = client_context(TlsFiles())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_no_connection_has_no_peer() -> None:
    assert peer_certificate(None) is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("x"), "no TLS failure \\(ValueError\\)"),
        (
            ConnectionAbortedError(
                "SSL handshake is taking longer than 60.0 seconds: aborting the connection"
            ),
            "did not finish the TLS handshake in time",
        ),
        (ssl.SSLError(1, "odd"), "TLS failed, and OpenSSL gave no reason"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "closed the connection during the TLS"),
    ],
)
def test_other_errors_get_a_sentence_too(error: Exception, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(explain_tls_error(error))


def test_a_wrapped_error_is_looked_through() -> None:
    inner = ssl.SSLCertVerificationError(1, "x")
    inner.verify_code = 10
    try:
        raise RuntimeError("wrapped") from inner
    except RuntimeError as error:
        assert explain_tls_error(error) == "the peer's certificate has expired"
