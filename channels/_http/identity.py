"""What a caller is told that is not served, and whose bearer token a request shows.

Source: RFC 6750 (bearer tokens) 2.1, 3; RFC 9110 11.6.1, 15.5.2, 15.5.4.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from channels._http.replies import Answer, problem
from channels._http.request import Request
from channels._tcp.caller import REFUSED_PLAINTEXT, Caller
from engine.config.models import Secret

_REFUSALS: Final = {
    "unreadable_certificate": "The certificate cannot be read.",
    "other_partner": "This door belongs to another partner than the certificate's.",
    "unknown_partner": "The certificate is not one of this door's partner.",
    REFUSED_PLAINTEXT: "Without TLS, only the addresses of the written exception are served.",
}

_ASK: Final = b'www-authenticate: Bearer realm="passerelle"\r\n'
_WRONG: Final = b'www-authenticate: Bearer realm="passerelle", error="invalid_token"\r\n'


def refused(caller: Caller) -> Answer | None:
    """Return what a caller is told of whom nothing is taken, None where it is served."""
    return problem(403, _REFUSALS[caller.refusal], close=True) if caller.refusal else None


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


class Doorkeeper:
    """Says who calls at one door, by certificate or token, else that it is whom the door is for.

    `tokens` are the partners' own. `required` says that nobody comes in who is no known partner.
    """

    def __init__(self, tokens: Mapping[str, Secret], *, expected: str | None, required: bool) -> None:
        self._tokens = Tokens({partner: token.reveal() for partner, token in tokens.items()})
        self._expected = expected
        self._required = required

    def prove(self, caller: Caller, request: Request) -> Answer | None:
        """Set the request's partner, or return the refusal."""
        proven = caller.partner
        shown = request.headers.get(b"authorization")
        if shown is not None and self._tokens:
            proven = self._tokens.partner(shown)
            if proven is None:
                return problem(401, "The bearer token is not known.", lines=_WRONG)
            if {caller.partner or proven, self._expected or proven} != {proven}:
                return problem(
                    403, "The bearer token belongs to another partner than the certificate or the door."
                )
        elif proven is None and self._tokens:
            return problem(401, "A bearer token is required.", lines=_ASK)
        elif proven is None and self._required:
            return problem(403, "The caller is no known partner.")
        request.partner = proven or self._expected
        return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
