"""Who opened a connection, and whose bearer token a request shows.

Source: RFC 6750 (bearer tokens) 2.1, 3; RFC 9110 11.6.1, 15.5.2, 15.5.4.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from channels._http.replies import Answer, problem
from engine.model import Certificate, Peer
from engine.security.identity import peer_certificate


@dataclass(frozen=True, slots=True)
class Caller:
    """The other end of one connection; `partner` is who its certificate proves it to be.

    `place` is what connections are counted by: the proven partner, else the network address.
    """

    peer: Peer
    partner: str | None
    place: str
    refusal: Answer | None = None


def caller_of(
    tls: ssl.SSLObject | None,
    address: str,
    *,
    identify: Callable[[Certificate], str | None],
    certified: Callable[[str], bool],
    expected: str | None,
) -> Caller:
    """Return who called; a certificate of another partner than the listener's is refused."""
    host = address.rpartition(":")[0]
    try:
        certificate = peer_certificate(tls)
    except ValueError:  # well signed, yet with extensions that cannot be read
        return Caller(Peer(address), None, host, problem(403, "The certificate cannot be read.", close=True))
    partner = identify(certificate) if certificate is not None else None
    peer = Peer(address, certificate)
    if expected is not None and partner not in (None, expected):
        refusal = problem(403, "This door belongs to another partner than the certificate's.", close=True)
        return Caller(peer, partner, host, refusal)
    if expected is not None and certificate is not None and partner is None and certified(expected):
        refusal = problem(403, "The certificate is not one of this door's partner.", close=True)
        return Caller(peer, None, host, refusal)
    return Caller(peer, partner, partner or host)


def listed(peer: Peer, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether a peer's address lies in one of the networks."""
    host = ip_address(peer.address.rpartition(":")[0].strip("[]").partition("%")[0])
    return any(host in network for network in networks)


class Tokens:
    """Bearer tokens by partner; compared by their digests, each with each, in constant time."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = tuple((partner, _digest(token.encode())) for partner, token in tokens.items())

    def __bool__(self) -> bool:
        return bool(self._digests)

    def partner(self, authorization: bytes) -> str | None:
        """Return whose token an Authorization header shows, None when it is nobody's."""
        scheme, _, token = authorization.partition(b" ")
        shown = _digest(token.strip())
        found = None
        for partner, digest in self._digests:
            if hmac.compare_digest(digest, shown):
                found = partner
        return found if scheme.lower() == b"bearer" else None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
