"""Who may send: certificates over mutual TLS 1.3, the written plaintext exception, and the PROXY protocol."""

from __future__ import annotations

import asyncio
import ssl
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest

from channels.mllp.listener import ProxyConfig
from channels.mllp.proxy import BadProxyHeader, source_of
from engine.config.models import PlaintextException
from engine.model import Certificate
from engine.security.tls import RotatingContext, TlsFiles, client_context, server_context
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import Wire, framed, message, wire
from tests.security.handshakes import files_of

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
"""The PROXY protocol, 2.2: the twelve bytes that no other protocol begins with."""

FROM_RIS = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([10, 12, 8, 7, 10, 12, 4, 7]) + b"\xd4\x31\x0a\x0f"
"""PROXY, TCP over IPv4, 12 bytes: 10.12.8.7:54321 to 10.12.4.7:2575."""

HERE = (ip_network("127.0.0.1/32"),)
ELSEWHERE = (ip_network("10.12.8.0/24"),)


def by_name(certificate: Certificate) -> str | None:
    """Stand in for the partner directory: each clinic's own DNS name is its identity."""
    known = {"dns:clinique-abc.localhost": "clinique-abc", "dns:clinique-def.localhost": "clinique-def"}
    return next((known[name] for name in certificate.names if name in known), None)


def server(certs: Path) -> RotatingContext:
    return server_context(files_of(certs, "engine"))


def client(certs: Path, name: str = "") -> ssl.SSLContext:
    if not name:
        return client_context(TlsFiles(ca=certs / "ca.pem"))
    return client_context(files_of(certs, name))


def exception(*networks: str) -> PlaintextException:
    return PlaintextException(
        allow=tuple(ip_network(network) for network in networks),
        reason="RIS has no TLS",
        until=date(2027, 6, 30),
    )


async def is_deaf(connection: Wire) -> bool:
    """Send a message, and tell whether the connection ends without an answer."""
    try:
        await connection.write(framed(message()))
    except ConnectionError:
        return True
    return await connection.ended() == b""


async def test_a_certificate_over_tls_1_3_names_the_partner(dev_certs: Path) -> None:
    async with listening(tls_context=server(dev_certs), identify=by_name) as door:
        async with wire(door.address, client(dev_certs, "clinique-abc")) as connection:
            assert b"MSA|AA|MSG00001\r" in await connection.ask(message())
            secured = connection.writer.get_extra_info("ssl_object")
            assert secured.version() == "TLSv1.3"
        handed = door.intake.messages[0]
        assert handed.partner == "clinique-abc"
        assert handed.peer is not None
        assert handed.peer.certificate is not None


async def test_another_partner_than_the_listeners_is_cut_off(dev_certs: Path) -> None:
    async with listening(tls_context=server(dev_certs), identify=by_name, partner="clinique-abc") as door:
        async with wire(door.address, client(dev_certs, "clinique-def")) as connection:
            assert await is_deaf(connection)
        assert not door.intake.messages
        assert door.events("other_partner") == 1


@pytest.mark.parametrize("certified", [True, False])
async def test_a_strangers_certificate_does_not_speak_for_a_partner_that_has_its_own(
    dev_certs: Path, certified: bool
) -> None:
    async with (
        listening(
            tls_context=server(dev_certs),
            identify=lambda certificate: None,
            certified=lambda partner: certified,
            partner="clinique-abc",
        ) as door,
        wire(door.address, client(dev_certs, "clinique-def")) as connection,
    ):
        if certified:
            assert await is_deaf(connection)
            assert door.events("unknown_partner") == 1
        else:
            assert b"MSA|AA|MSG00001\r" in await connection.ask(message())


async def test_a_sender_without_a_certificate_is_cut_off(dev_certs: Path) -> None:
    async with listening(tls_context=server(dev_certs)) as door:
        with pytest.raises(OSError):
            async with wire(door.address, client(dev_certs)) as connection:
                assert await is_deaf(connection)
                raise ConnectionError
        assert not door.intake.messages


async def test_plaintext_at_a_listener_with_tls_is_cut_off(dev_certs: Path) -> None:
    async with listening(tls_context=server(dev_certs)) as door, wire(door.address) as connection:
        assert await is_deaf(connection)
        assert not door.intake.messages


async def test_a_bug_in_the_directory_ends_one_connection_and_is_counted(dev_certs: Path) -> None:
    def broken(certificate: Certificate) -> str | None:
        raise KeyError("nobody named this")

    async with listening(tls_context=server(dev_certs), identify=broken) as door:
        async with wire(door.address, client(dev_certs, "clinique-abc")) as connection:
            assert await is_deaf(connection)
        assert door.counted.totals["bugs", (("where", "adt-hsj"),)] == 1


@pytest.mark.parametrize(("networks", "served"), [(("127.0.0.0/8",), True), (("10.12.8.0/24",), False)])
async def test_without_tls_only_the_exceptions_addresses_are_served(
    networks: tuple[str, ...], served: bool
) -> None:
    async with listening(plaintext=exception(*networks)) as door, wire(door.address) as connection:
        if served:
            assert b"MSA|AA|MSG00001\r" in await connection.ask(message())
        else:
            assert await is_deaf(connection)
            assert door.events("refused_plaintext") == 1


async def test_a_proxy_tells_where_the_sender_is() -> None:
    async with listening(proxy=ProxyConfig(v2=HERE)) as door, wire(door.address) as connection:
        await connection.write(FROM_RIS + framed(message()))
        assert b"MSA|AA|MSG00001\r" in await connection.read()
        peer = door.intake.messages[0].peer
        assert peer is not None
        assert peer.address == "10.12.8.7:54321"


async def test_the_source_that_a_proxy_tells_must_be_one_of_the_exceptions() -> None:
    async with listening(proxy=ProxyConfig(v2=HERE), plaintext=exception("10.12.9.0/24")) as door:
        async with wire(door.address) as connection:
            await connection.write(FROM_RIS)
            assert await is_deaf(connection)
        assert door.events("refused_plaintext") == 1


async def test_a_proxy_stands_before_tls_too(dev_certs: Path) -> None:
    """The header comes in clear, the handshake after it (2.2)."""
    async with listening(proxy=ProxyConfig(v2=HERE), tls_context=server(dev_certs), identify=by_name) as door:
        async with wire(door.address) as connection:
            await connection.write(FROM_RIS)
            await connection.writer.start_tls(client(dev_certs, "clinique-abc"), server_hostname="localhost")
            async with asyncio.timeout(30):
                assert b"MSA|AA|MSG00001\r" in await connection.ask(message())
        assert door.intake.messages[0].partner == "clinique-abc"


async def test_nobody_but_a_proxy_may_tell_where_a_sender_is() -> None:
    async with listening(proxy=ProxyConfig(v2=ELSEWHERE)) as door, wire(door.address) as connection:
        await connection.write(FROM_RIS)
        assert await is_deaf(connection)
        assert door.events("proxy_refused") == 1
        assert not door.intake.messages


@pytest.mark.parametrize(
    "beginning",
    [
        framed(message()),
        b"PROXY TCP4 10.12.8.7 10.12.4.7 54321 2575\r\n",
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
    ids=["no header", "version 1", "version 3", "UDP", "too short", "too long"],
)
async def test_behind_a_proxy_every_connection_begins_with_a_header(beginning: bytes) -> None:
    async with listening(proxy=ProxyConfig(v2=HERE)) as door, wire(door.address) as connection:
        await connection.write(beginning)
        assert await is_deaf(connection)
        assert not door.intake.messages


async def test_a_proxys_own_connection_keeps_its_address() -> None:
    async with listening(proxy=ProxyConfig(v2=HERE)) as door, wire(door.address) as connection:
        await connection.write(SIGNATURE + b"\x20\x00\x00\x00" + framed(message()))
        assert b"MSA|AA|MSG00001\r" in await connection.read()
        peer = door.intake.messages[0].peer
        assert peer is not None
        assert peer.address.startswith("127.0.0.1:")


def test_a_header_may_tell_an_ipv6_source_and_carry_options() -> None:
    block = (
        bytes.fromhex("20010db8000000000000000000000007")
        + bytes(16)
        + b"\xd4\x31\x0a\x0f"
        + b"\x04\x00\x01\x00"
    )
    assert source_of(0x21, 0x21, block) == "[2001:db8::7]:54321"


def test_a_header_of_another_family_tells_no_source() -> None:
    with pytest.raises(BadProxyHeader):
        source_of(0x21, 0x31, bytes(216))
