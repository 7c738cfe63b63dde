"""Where a connection may lead: by the address that is really connected to, whatever the name was."""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_network

import pytest

from channels._http.client import ClientConnection
from channels._tcp.dial import Destination, dial, refused_because, resolve
from engine.errors import Permanent, Transient
from tests.channels.http.answering import OK, answering

TLS = ssl.create_default_context()


def destination(
    host: str, *allowed: str, plaintext: tuple[str, ...] = (), tls: ssl.SSLContext | None = TLS
) -> Destination:
    return Destination(
        host,
        443,
        tls,
        tuple(ip_network(each) for each in allowed),
        tuple(ip_network(each) for each in plaintext),
    )


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
)
def test_a_name_that_leads_to_this_machine_is_refused(address: str) -> None:
    assert "this machine itself" in refused_because(address, destination("dme.example"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_url_that_says_loopback_means_it(host: str) -> None:
    assert not refused_because("127.0.0.1", destination(host))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
    ],
)
@pytest.mark.parametrize("host", ["dme.example", "169.254.169.254", "localhost"])
def test_metadata_addresses_are_refused_however_they_are_written(address: str, host: str) -> None:
    assert "metadata" in refused_because(address, destination(host))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_addresses_of_no_host_are_refused(address: str) -> None:
    assert "no host's" in refused_because(address, destination("dme.example"))


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.1", "172.16.0.1", "203.0.113.7", "2001:db8::1", "fd12::1"]
)
def test_hospital_networks_and_the_world_are_allowed(address: str) -> None:
    assert not refused_because(address, destination("dme.example"))


def test_what_is_listed_is_allowed() -> None:
    listed = destination("dme.example", "127.0.0.0/8", "169.254.7.0/24")
    assert not refused_because("127.0.0.1", listed) and not refused_because("169.254.7.7", listed)
    assert refused_because("169.254.8.8", listed)


def test_without_tls_only_loopback_and_the_written_exception_are_allowed() -> None:
    plain = destination("dme.example", plaintext=("10.12.8.0/24",), tls=None)
    assert not refused_because("10.12.8.9", plain)
    assert "plaintext exception" in refused_because("10.12.9.9", plain)
    assert "plaintext exception" in refused_because(
        "203.0.113.7", destination("dme.example", "0.0.0.0/0", tls=None)
    )


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name resolve to these addresses."""

    async def found(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        own = (host,) if host in addresses else addresses  # uvloop asks again for what is an address already
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in own]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)


async def test_a_name_that_leads_only_inside_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "169.254.169.254")
    with pytest.raises(Permanent) as caught:
        await dial(destination("dme.example"), ClientConnection, seconds=1)
    assert caught.value.code == "address_refused"


async def test_forbidden_addresses_among_others_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "169.254.169.254", "10.1.2.3", "127.0.0.1", "10.1.2.3")
    assert await resolve(destination("dme.example")) == ["10.1.2.3"]


async def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(OK) as server:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        connection = await dial(Destination("localhost", server.port), ClientConnection, seconds=5)
        assert connection.usable
        connection.abort()


async def test_an_address_that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(sock: socket.socket, address: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    with pytest.raises(Transient) as caught:
        await dial(Destination("127.0.0.1", 9), ClientConnection, seconds=0.1)
    assert (caught.value.code, caught.value.sent) == ("connect_timeout", False)
