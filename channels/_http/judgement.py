"""What a partner's HTTP status means for a delivery: the table of GUARANTEES in one place.

Source: RFC 9110 10.2.3 (Retry-After), 15; RFC 6585 4 (429); RFC 8470 5.2 (425).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from channels._http.client import Response
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply

_KEPT = frozenset({"content-type", "date", "location", "retry-after", "x-correlation-id", "x-request-id"})
_LATER = frozenset({408, 425, 429})
_ENDPOINT = frozenset({401, 403, 404, 405})
_LONGEST_WAIT = 86_400.0


def judge(response: Response, *, now_ms: int) -> Reply:
    """Return the evidence of a 2xx; raise what any other status means.

    504 leaves an unknown outcome: the gateway says that it passed the message on.

    Raises:
        Transient: 408, 425, 429, 5xx; with Retry-After where the partner named one.
        Permanent: 3xx (never followed), 401, 403, 404, 405; 410 disables the endpoint.
        Rejected: every other 4xx: the partner read the message and does not take it.
    """
    reply = evidence(response)
    if 200 <= response.status < 300:
        return reply
    raise _failure(response, reply, now_ms)


def evidence(response: Response) -> Reply:
    """Return what is kept of an answer: status, bounded body, a few headers."""
    kept = {name: value for name, value in response.headers.items() if name in _KEPT}
    return Reply(str(response.status), response.body, kept)


def _failure(response: Response, reply: Reply, now_ms: int) -> PasserelleError:
    status = response.status
    text, code = f"the partner answered {status}", str(status)
    if status in _LATER or 500 <= status < 600:
        wait = retry_after(response.headers, now_ms=now_ms)
        return Transient(text, retry_after=wait, sent=status == 504, code=code, reply=reply)
    if 300 <= status < 400:
        return Permanent(f"{text}: redirects are not followed", code=code, reply=reply)
    if status in _ENDPOINT:
        return Permanent(text, code=code, reply=reply)
    if status == 410:
        return Permanent(f"{text}: the endpoint is gone", code=code, disable=True, reply=reply)
    if 400 <= status < 500:
        return Rejected(text, code=code, reply=reply)
    return Transient(f"{text}, which is no status of HTTP", sent=True, code="garbage", reply=reply)


def retry_after(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Return the seconds that Retry-After asks for, None where it says nothing readable; a day at most."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(_LONGEST_WAIT, float(text[:9]))
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # RFC 9110 5.6.7: HTTP dates are UTC
    return min(_LONGEST_WAIT, max(0.0, moment.timestamp() - now_ms / 1000))
