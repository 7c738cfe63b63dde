"""Open a connection to a partner: name, address, TCP, TLS, each with a cause that people can act on.

Where it may go comes from configuration, and is checked on the address that is really connected to, so that a name
that resolves to another place tomorrow does not lead inside:

- loopback is reached only where the URL itself says so (`127.0.0.0/8`, `::1`, `localhost`);
- link-local (cloud metadata lives there), other metadata addresses, multicast and unspecified ones never;
- whatever `allow_addresses` lists is allowed besides;
- without TLS, only loopback and what the written exception (`plaintext: {allow: ...}`) lists.

Source: RFC 6890 (special-purpose addresses); RFC 4291 2.5.5.2 (IPv4-mapped).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar, cast

from channels._tcp.sockets import harden
from engine.config.models import is_loopback
from engine.errors import PasserelleError, Permanent, Transient
from engine.security.diagnosis import diagnose

Network = IPv4Network | IPv6Network
_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

_METADATA: tuple[Network, ...] = (  # beyond link-local, where most clouds have theirs
    ip_network("100.100.100.200/32"),
    ip_network("168.63.129.16/32"),
    ip_network("192.0.0.192/32"),
    ip_network("fd00:ec2::254/128"),
)
_CAUSES = {
    errno.ECONNREFUSED: ("refused", "nobody listens at the partner's address"),
    errno.EHOSTUNREACH: ("unreachable", "the partner's address cannot be reached"),
    errno.ENETUNREACH: ("unreachable", "the partner's network cannot be reached"),
    errno.ETIMEDOUT: ("connect_timeout", "the partner's address did not answer in time"),
    errno.ECONNRESET: ("reset", "the partner closed the connection while it was opened"),
}
_IDENTITY = frozenset(
    {
        "certificate_required",
        "expired",
        "no_certificate",
        "not_yet_valid",
        "refused_access",
        "refused_certificate",
        "refused_expired",
        "refused_revoked",
        "refused_wrong_ca",
        "revoked",
        "self_signed",
        "untrusted",
        "wrong_ca",
        "wrong_name",
        "wrong_purpose",
    }
)
"""Causes of `engine.security.diagnosis` that say: not who we trust, or we are not whom they trust."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect to; `plaintext` lists what may be reached without TLS besides loopback."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    allowed: tuple[Network, ...] = ()
    plaintext: tuple[Network, ...] = ()


async def resolve(destination: Destination) -> Sequence[str]:
    """Return the addresses that may be connected to, in the resolver's order.

    Raises:
        Transient: the name cannot be resolved now.
        Permanent: it resolves only to addresses that must not be connected to.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            destination.host, destination.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that IDNA cannot write
        raise Transient("the partner's host name cannot be resolved", code="dns") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    allowed = [address for address in addresses if not refused_because(address, destination)]
    if not allowed:
        reason = refused_because(addresses[0], destination)
        raise Permanent(f"the partner's host name leads to {reason}", code="address_refused")
    return allowed


def refused_because(address: str, destination: Destination) -> str:
    """Return what kind of address this is that must not be connected to, "" where it may be."""
    ip = _plain(ip_address(address))
    if destination.tls is None and not ip.is_loopback and not _in(ip, destination.plaintext):
        return "an address that the written plaintext exception does not list"
    if _in(ip, destination.allowed):
        return ""
    if ip.is_loopback:
        return "" if is_loopback(destination.host) else "this machine itself, which the URL does not say"
    if ip.is_link_local or _in(ip, _METADATA):
        return "a link-local or metadata address, which allow_addresses does not list"
    if ip.is_multicast or ip.is_unspecified or (ip.version == 4 and int(ip) == 0xFFFFFFFF):
        return "an address that is no host's"
    return ""


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """See through IPv6 forms of an IPv4 address: mapped, 6to4, NAT64."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in ip_network("64:ff9b::/96"):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _in(ip: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(ip in network for network in networks)


async def dial(destination: Destination, make: Callable[[], _Protocol], *, seconds: float) -> _Protocol:
    """Connect within `seconds` and return the protocol that `make` made; nothing was sent when it raises.

    Raises:
        Transient: no name, no address, no TLS; `code` says which.
        Permanent: the peer is not who it must be, or does not accept who we are, or its address is forbidden.
    """
    try:
        async with asyncio.timeout(seconds):
            addresses = await resolve(destination)
            sock = await _connect(addresses, destination.port, seconds / len(addresses))
            try:
                return await wrap(destination, sock, make, seconds=seconds)
            except BaseException:
                sock.close()
                raise
    except TimeoutError as error:
        raise Transient(f"no connection within {seconds:g} s", code="connect_timeout") from error


async def connect(destination: Destination, *, seconds: float) -> socket.socket:
    """Connect within `seconds` and return the socket, without TLS yet; for a protocol that runs in threads.

    Raises:
        Transient, Permanent: as `dial`.
    """
    try:
        async with asyncio.timeout(seconds):
            addresses = await resolve(destination)
            return await _connect(addresses, destination.port, seconds / len(addresses))
    except TimeoutError as error:
        raise Transient(f"no connection within {seconds:g} s", code="connect_timeout") from error


async def _connect(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """Try each address for its share of the time; the last failure is told."""
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for address in addresses:
        try:
            async with asyncio.timeout(seconds):
                return await connect_tcp(address, port)
        except TimeoutError:
            failure = OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        except OSError as error:
            failure = error
    raise connect_failure(failure) from failure


async def connect_tcp(address: str, port: int) -> socket.socket:
    """Return a connected socket that does not block."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        harden(sock)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def wrap(
    destination: Destination, sock: socket.socket, make: Callable[[], _Protocol], *, seconds: float
) -> _Protocol:
    """Put the protocol, and TLS where the destination has it, on a connected socket.

    Raises:
        Transient, Permanent: as `dial`.
    """
    secured = destination.tls is not None
    try:
        _, protocol = await asyncio.get_running_loop().create_connection(
            make,
            sock=sock,
            ssl=destination.tls,
            server_hostname=destination.host if secured else None,
            ssl_handshake_timeout=seconds if secured else None,
            ssl_shutdown_timeout=2.0 if secured else None,
        )
    except OSError as error:
        raise connect_failure(error) from error
    return protocol


def connect_failure(error: OSError) -> PasserelleError:
    """Say what a failed connection means: nothing was sent."""
    failure = diagnose(error)
    if failure is not None:
        kind = Permanent if failure.code in _IDENTITY else Transient
        return kind(failure.text, code="identity" if failure.code in _IDENTITY else "tls")
    code, text = _CAUSES.get(error.errno or 0, ("connect", "the connection could not be opened"))
    return Transient(text, code=code)


def refused_identity(error: BaseException | None) -> Permanent | None:
    """Return what the peer's alert means when it refuses our certificate after the handshake seemed to succeed.

    With TLS 1.3 a client hears of it at its first read (RFC 8446 4.4.2.4, appendix C.2): the request was never read.
    """
    failure = diagnose(error) if error is not None else None
    if failure is None or not (failure.code.startswith("refused_") or failure.code == "certificate_required"):
        return None
    return Permanent(failure.text, code="identity")


Stages = list[tuple[str, bool, str]]
"""What a probe found: stage, whether it went well, and a remark."""


async def probed(
    look: Callable[[Stages], Awaitable[None]], stages: Sequence[str], *, seconds: float
) -> Stages:
    """Return what `look` found within a time; the stage at which it raised or hung is told as the one that failed."""
    found: Stages = []
    try:
        async with asyncio.timeout(seconds):
            await look(found)
    except PasserelleError as error:
        found.append((stages[len(found)], False, str(error)))
    except TimeoutError:
        found.append((stages[len(found)], False, f"no answer within {seconds:g} s"))
    return found


async def reach(destination: Destination, found: Stages) -> socket.socket:
    """Return a TCP connection to a destination, the stages `dns` and `tcp` told in `found`; PasserelleError."""
    addresses = await resolve(destination)
    found.append(("dns", True, ", ".join(addresses)))
    try:
        sock = await connect_tcp(addresses[0], destination.port)
    except OSError as error:
        raise connect_failure(error) from error
    found.append(("tcp", True, f"{addresses[0]}:{destination.port}"))
    return sock


def secured_by(tls: ssl.SSLObject | ssl.SSLSocket | None) -> str:
    """Say how a connection is secured, for the remark of a probe."""
    if tls is None:
        return "none: plaintext"
    ends = cast(str, (tls.getpeercert() or {}).get("notAfter", ""))
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).date() if ends else "unknown"
    return f"{tls.version()}, certificate until {until}"
