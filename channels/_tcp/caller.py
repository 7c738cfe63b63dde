"""Who opened a connection: the partner that its certificate proves, and whether that is one this door is for."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from engine.model import Certificate, Peer
from engine.security.identity import peer_certificate

REFUSED_PLAINTEXT: Final = "refused_plaintext"


@dataclass(frozen=True, slots=True)
class Caller:
    """The other end of one connection; `partner` is who its certificate proves it to be, None where it proves nobody.

    `place` is what connections are counted by: the proven partner, else the network address. `refusal` says in a word
    why nothing of it is taken, "" where it is served.
    """

    peer: Peer
    partner: str | None
    place: str
    refusal: str = ""


def caller_of(
    tls: ssl.SSLObject | ssl.SSLSocket | None,
    address: str,
    *,
    identify: Callable[[Certificate], str | None],
    certified: Callable[[str], bool] = lambda partner: False,
    expected: str | None = None,
    plaintext: Sequence[IPv4Network | IPv6Network] | None,
) -> Caller:
    """Return who called; `plaintext` are the addresses that may come without TLS, None where all may.

    `expected` is the partner that the door belongs to; a certificate that proves nobody does not speak for it where it
    has certificates of its own (`certified`).
    """
    host = address.rpartition(":")[0]
    try:
        certificate = peer_certificate(tls)
    except ValueError:  # well signed, yet with extensions that cannot be read
        return Caller(Peer(address), None, host, "unreadable_certificate")
    partner = identify(certificate) if certificate is not None else None
    peer = Peer(address, certificate)
    if expected is not None and partner not in (None, expected):
        return Caller(peer, partner, host, "other_partner")
    if expected is not None and certificate is not None and partner is None and certified(expected):
        return Caller(peer, None, host, "unknown_partner")
    if tls is None and plaintext is not None and not listed(address, plaintext):
        return Caller(peer, partner, host, REFUSED_PLAINTEXT)
    return Caller(peer, partner, partner or host)


def listed(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether `host:port` lies in one of the networks; IPv4 addresses are seen through IPv6."""
    host = ip_address(address.rpartition(":")[0].strip("[]").partition("%")[0])
    plain = host.ipv4_mapped if isinstance(host, IPv6Address) and host.ipv4_mapped else host
    return any(plain in network for network in networks)
