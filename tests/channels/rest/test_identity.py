"""Who may come in: certificates over mutual TLS 1.3, bearer tokens, and both; always before the body is read."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from engine.config.models import PlaintextException
from engine.model import Certificate
from engine.security.diagnosis import TlsFailure
from engine.security.secrets import Secret
from engine.security.tls import RotatingContext, TlsFiles, client_context, server_context
from tests.channels.http.serving import listening
from tests.channels.http.wire import Got, post, wire
from tests.security.handshakes import files_of

TOKENS = {"platform": Secret("t-1-fictive"), "other": Secret("t-2-fictive")}


def by_name(certificate: Certificate) -> str | None:
    """Stand in for the partner directory: each clinic's own DNS name is its identity."""
    known = {"dns:clinique-abc.localhost": "clinique-abc", "dns:clinique-def.localhost": "clinique-def"}
    return next((known[name] for name in certificate.names if name in known), None)


def server(certs: Path, *, clients: str = "required") -> RotatingContext:
    return server_context(files_of(certs, "engine"), clients=clients)


def client(certs: Path, name: str | None = None) -> ssl.SSLContext:
    if name is None:
        return client_context(TlsFiles(ca=certs / "ca.pem"))
    return client_context(files_of(certs, name))


async def asked(address: str, tls: ssl.SSLContext | None = None, token: str | None = None) -> Got:
    """Post the head of a request, and return the answer; the body is sent only when it is asked for."""
    headers = {"Expect": "100-continue"} | ({"Authorization": token} if token else {})
    async with wire(address, tls) as connection:
        request = post(b"{}", headers=headers)
        await connection.write(request[:-2])
        answer = await connection.read()
        if answer.status == 100:
            await connection.write(request[-2:])
            answer = await connection.read()
        return answer


async def test_a_certificate_over_tls_1_3_names_the_partner(dev_certs: Path) -> None:
    async with listening(tls=server(dev_certs), identify=by_name) as door:
        assert (await asked(door.address, client(dev_certs, "clinique-abc"))).status == 202
        message = door.intake.messages[0]
        assert message.partner == "clinique-abc"
        assert message.peer is not None and message.peer.certificate is not None
        assert "uri:urn:passerelle:dev:clinique-abc" in message.peer.certificate.names
        assert message.peer.address.startswith("127.0.0.1:")


async def test_a_certificate_that_no_partner_claims_is_taken_where_identity_is_optional(
    dev_certs: Path,
) -> None:
    async with listening(tls=server(dev_certs), identify=by_name) as door:
        assert (await asked(door.address, client(dev_certs, "clinique-ghi"))).status == 202
        assert door.intake.messages[0].partner is None


async def test_a_certificate_that_no_partner_claims_is_403_where_identity_is_required(
    dev_certs: Path,
) -> None:
    async with listening(tls=server(dev_certs), identify=by_name, identity="required") as door:
        assert (await asked(door.address, client(dev_certs, "clinique-ghi"))).status == 403
        assert (await asked(door.address, client(dev_certs, "clinique-abc"))).status == 202
        assert door.events("refused_403") == 1


async def test_another_partners_certificate_is_403_at_a_partners_own_door(dev_certs: Path) -> None:
    async with listening(tls=server(dev_certs), identify=by_name, partner="clinique-abc") as door:
        assert (await asked(door.address, client(dev_certs, "clinique-def"))).status == 403
        assert (await asked(door.address, client(dev_certs, "clinique-ghi"))).status == 202
        assert [message.partner for message in door.intake.messages] == ["clinique-abc"]


async def test_a_partners_connections_are_counted_by_its_certificate(dev_certs: Path) -> None:
    limits = {"connections": "1"}
    async with listening(tls=server(dev_certs), identify=by_name, limits=limits) as door:
        abc = client(dev_certs, "clinique-abc")
        async with wire(door.address, abc) as first, wire(door.address, abc) as second:
            assert (await second.read()).status == 503
            await first.write(post())
            assert (await first.read()).status == 202
            assert (await asked(door.address, client(dev_certs, "clinique-def"))).status == 202


@pytest.mark.parametrize("stranger", ["no_certificate", "wrong_ca"])
async def test_a_client_without_a_trusted_certificate_reaches_nothing(
    dev_certs: Path, stranger_certs: Path, stranger: str, caplog: pytest.LogCaptureFixture
) -> None:
    tls = client(dev_certs) if stranger == "no_certificate" else strange_client(dev_certs, stranger_certs)
    ours = server(dev_certs)
    causes: list[TlsFailure] = []
    ours.refused = causes.append
    async with listening(tls=ours, identify=by_name) as door:
        with pytest.raises((EOFError, OSError)):
            async with wire(door.address, tls) as connection:
                await connection.write(post(b'{"name": "Zelie-Fictive-1963"}'))
                await connection.read()
        assert not door.intake.messages
        assert [cause.code for cause in causes] == [stranger]
        await door.until("handshake_failed")
        assert "Zelie" not in caplog.text
        assert (await asked(door.address, client(dev_certs, "clinique-abc"))).status == 202


def strange_client(trusted: Path, strangers: Path) -> ssl.SSLContext:
    """A client that trusts us and shows a certificate of an authority that we do not know."""
    return client_context(
        TlsFiles(strangers / "clinique-abc.pem", strangers / "clinique-abc.key", trusted / "ca.pem")
    )


async def test_a_client_of_tls_1_2_is_refused_with_its_cause(dev_certs: Path) -> None:
    old = ssl.create_default_context(cafile=str(dev_certs / "ca.pem"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(tls=server(dev_certs)) as door:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await asked(door.address, old)
        await door.until("handshake_failed")


async def test_plain_http_on_a_tls_port_is_refused_with_its_cause(dev_certs: Path) -> None:
    ours = server(dev_certs)
    causes: list[TlsFailure] = []
    ours.refused = causes.append
    async with listening(tls=ours) as door:
        async with wire(door.address) as connection:
            await connection.write(post())
            assert await connection.ended()
        assert [cause.code for cause in causes] == ["no_tls"]


async def test_a_directory_that_fails_ends_one_connection_only(dev_certs: Path) -> None:
    def broken(certificate: Certificate) -> str | None:
        if "dns:clinique-def.localhost" in certificate.names:
            raise RuntimeError("nobody named this")
        return by_name(certificate)

    async with listening(tls=server(dev_certs), identify=broken) as door:
        async with wire(door.address, client(dev_certs, "clinique-def")) as connection:
            assert (await connection.read()).status == 500
        assert (await asked(door.address, client(dev_certs, "clinique-abc"))).status == 202
        assert door.counted.totals["bugs", (("where", "public"),)] == 1


async def test_a_token_names_the_partner() -> None:
    async with listening(tokens=TOKENS) as door:
        assert (await asked(door.address, token="Bearer t-2-fictive")).status == 202
        assert (await asked(door.address, token="bearer  t-1-fictive")).status == 202
        assert [message.partner for message in door.intake.messages] == ["other", "platform"]


@pytest.mark.parametrize("token", [None, "Bearer t-3-fictive", "Bearer ", "Basic t-1-fictive", "t-1-fictive"])
async def test_without_a_known_token_it_is_401_before_the_body_and_the_door(token: str | None) -> None:
    async with listening(tokens=TOKENS, selectors=("POST /v1/elsewhere",)) as door:
        answer = await asked(door.address, token=token)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert b"fictive" not in answer.body
        assert door.intake.most_admitted == 0


async def test_a_certificate_stands_in_for_a_token(dev_certs: Path) -> None:
    async with listening(tls=server(dev_certs), identify=by_name, tokens=TOKENS) as door:
        assert (await asked(door.address, client(dev_certs, "clinique-abc"))).status == 202
        assert (await asked(door.address, client(dev_certs, "clinique-ghi"))).status == 401


async def test_a_token_of_another_partner_than_the_certificates_is_403(dev_certs: Path) -> None:
    tokens = TOKENS | {"clinique-abc": Secret("t-3-fictive")}
    async with listening(tls=server(dev_certs), identify=by_name, tokens=tokens) as door:
        abc = client(dev_certs, "clinique-abc")
        assert (await asked(door.address, abc, token="Bearer t-1-fictive")).status == 403
        assert (await asked(door.address, abc, token="Bearer t-3-fictive")).status == 202


async def test_a_token_of_another_partner_than_the_doors_is_403() -> None:
    async with listening(tokens=TOKENS, partner="platform") as door:
        assert (await asked(door.address, token="Bearer t-2-fictive")).status == 403
        assert (await asked(door.address, token="Bearer t-1-fictive")).status == 202
        assert (await asked(door.address)).status == 401


async def test_the_listeners_partner_stands_where_nobody_proves_anything() -> None:
    async with listening(partner="platform") as door:
        assert (await asked(door.address)).status == 202
        assert door.intake.messages[0].partner == "platform"


async def test_an_authorization_header_means_nothing_where_there_are_no_tokens() -> None:
    async with listening() as door:
        assert (await asked(door.address, token="Basic eDp5")).status == 202


async def test_plaintext_is_taken_only_from_the_addresses_of_the_written_exception() -> None:
    written = {"reason": "an old system", "until": "2099-12-31"}
    elsewhere = PlaintextException.model_validate({"allow": ["10.12.8.0/24"], **written})
    here = PlaintextException.model_validate({"allow": ["127.0.0.0/8"], **written})
    async with listening(plaintext=elsewhere) as door, wire(door.address) as connection:
        assert (await connection.read()).status == 403
    async with listening(plaintext=here) as door:
        assert (await asked(door.address)).status == 202
