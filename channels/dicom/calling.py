"""Who calls: the partner that certificate and AE title agree on, and whether this door is for it.

Source: DICOM PS3.8 9.3.4 (rejections), PS3.15 annex B (TLS).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from engine.model import Certificate, Peer
from engine.security.identity import peer_certificate


@dataclass(frozen=True, slots=True)
class Caller:
    """The other end of a connection: `partner` is who its certificate proves it to be, None where it proves nobody.

    `place` is what its associations are counted by: the proven partner, else the network address. `refusal` says why
    it is not served at all, "" where its AE title decides.
    """

    peer: Peer
    partner: str | None
    place: str
    refusal: str = ""


def caller_of(
    tls: ssl.SSLSocket | None,
    address: str,
    *,
    identify: Callable[[Certificate], str | None],
    plaintext: Sequence[IPv4Network | IPv6Network] | None,
) -> Caller:
    """Return who called; `plaintext` are the addresses that may come without TLS, None where all may."""
    host = address.rpartition(":")[0]
    try:
        certificate = peer_certificate(tls)
    except ValueError:  # well signed, yet with extensions that cannot be read
        return Caller(Peer(address), None, host, "unreadable_certificate")
    partner = identify(certificate) if certificate is not None else None
    peer = Peer(address, certificate)
    if tls is None and plaintext is not None and not _listed(host, plaintext):
        return Caller(peer, partner, host, "refused_plaintext")
    return Caller(peer, partner, partner or host)


def agreed_partner(
    caller: Caller,
    title: str,
    *,
    callers: Mapping[str, str],
    expected: str | None,
    certified: Callable[[str], bool],
) -> tuple[str | None, str]:
    """Return the partner that an AE title and a certificate agree on, and why they do not ("" where they do).

    A certificate that proves nobody does not speak for a partner that has certificates of its own.
    """
    if callers and title not in callers:
        return None, "unknown_caller"
    named = callers.get(title) or expected
    if caller.partner is not None:
        return (caller.partner, "") if named in (None, caller.partner) else (None, "other_partner")
    if named is not None and caller.peer.certificate is not None and certified(named):
        return None, "unknown_partner"
    return named, ""


def _listed(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    address = ip_address(host.strip("[]").partition("%")[0])
    return any(address in network for network in networks)
