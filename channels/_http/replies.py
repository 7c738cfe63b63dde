"""What an HTTP listener answers: JSON or a problem, and the stored form that is replayed byte for byte.

The stored form is `STATUS`, `STATUS SECONDS` (to wait before coming again) or `STATUS TYPE/SUBTYPE` (of a partner's
answer), a line feed, and the body.

Source: RFC 9110 (HTTP semantics) 10.2, 15; RFC 9457 (problem details).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from engine.clock import Clock
from engine.model import Disposition, Fault, Reply, Verdict

JSON = "application/json"
PROBLEM = "application/problem+json"
COME_AGAIN_SECONDS = 5
"""What a sender is asked to wait when nobody knows better."""

_POSITIVE = {
    Disposition.ACCEPTED: ("202", "accepted"),
    Disposition.FILTERED: ("200", "filtered"),
    Disposition.DUPLICATE: ("200", "duplicate"),
}
_ID = b"$message-id$"
_TITLES = {422: "Unprocessable Content", 413: "Content Too Large"}  # RFC 9110's names; Python's are older


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its body, further header lines each ended by CRLF, and whether the connection ends with it.

    `kind` is the body's media type, "" for JSON or a problem report. With `pieces` the body is what they give, none of
    them empty.
    """

    status: int
    body: bytes = b""
    lines: bytes = b""
    close: bool = False
    kind: str = ""
    pieces: AsyncGenerator[bytes] | None = None


class HttpExchange:
    """Renders verdicts for HTTP; it holds nothing of a message, so one serves them all."""

    def reply(self, verdict: Verdict) -> bytes:
        """Return the stored form: 202 accepted, 200 filtered or known, 422 with the paths at fault."""
        positive = _POSITIVE.get(verdict.disposition)
        if positive is None:
            if verdict.disposition is Disposition.COLLISION and verdict.message_id.isalnum():
                # rendered for every message, since it is stored beside it, and sent for hardly any
                return _collision(verdict.faults, verdict.retry_after).replace(
                    _ID, verdict.message_id.encode()
                )
            return _stored(*_refusal(verdict))
        status, word = positive
        return f'{status}\n{{"id":"{verdict.message_id}","disposition":"{word}"}}'.encode("ascii")

    def relay(self, answer: Reply) -> bytes:
        """Return the stored form of a partner's answer; a status that says nothing to our sender becomes 200 or 502."""
        kind = answer.headers.get("content-type", "")
        return _stored(f"{_relayed(answer.code)} {kind}".rstrip(), answer.body)


def _relayed(code: str) -> int:
    """Return the status for a partner's code: its own, 422 for a negative acknowledgement of HL7, 200 for another."""
    if not (code.isascii() and code.isdecimal() and len(code) == 3):
        return 422 if code in _NEGATIVE else 200
    status = int(code)
    if 200 <= status < 300:
        return status
    return (
        status if status in _ABOUT_CONTENT else 502
    )  # what is wrong with the way to the partner is not the sender's


_NEGATIVE = frozenset({"AE", "AR", "CE", "CR"})
_ABOUT_CONTENT = frozenset({400, 404, 406, 409, 410, 413, 415, 422})
_UNANSWERED = {"timeout": 504, "undelivered": 502}
"""Statuses of what was stored, but not answered by whom it was for (RFC 9110 15.6.3, 15.6.5)."""


@lru_cache(maxsize=8)
def _collision(faults: tuple[Fault, ...], retry_after: float | None) -> bytes:
    """Return the stored form of a collision with `_ID` where the message's id belongs."""
    verdict = Verdict(Disposition.COLLISION, _ID.decode(), faults, retry_after)
    return _stored(*_refusal(verdict))


def _refusal(verdict: Verdict) -> tuple[str, bytes]:
    detail = (
        "This id was used before with another body." if verdict.disposition is Disposition.COLLISION else ""
    )
    if verdict.retry_after is not None:
        return f"503 {_whole(verdict.retry_after)}", _problem(503, detail, verdict.faults, verdict)
    status = _UNANSWERED.get(verdict.faults[0].code, 422) if verdict.faults else 422
    return str(status), _problem(status, detail, verdict.faults, verdict)


def _stored(status: str, body: bytes) -> bytes:
    return status.encode("ascii") + b"\n" + body


def from_stored(stored: bytes) -> Answer:
    """Read the stored form back; ValueError when the bytes are none."""
    head, _, body = stored.partition(b"\n")
    status, _, seconds = head.partition(b" ")
    if b"/" in seconds:
        return Answer(int(status), body, kind=seconds.decode("ascii"))
    lines = b"retry-after: " + seconds + b"\r\n" if seconds else b""
    return Answer(int(status), body, lines)


def problem(
    status: int, detail: str, *, faults: Sequence[Fault] = (), lines: bytes = b"", close: bool = False
) -> Answer:
    """Return a problem report; `detail` is free of payload, because it may be logged by the sender."""
    return Answer(status, _problem(status, detail, faults), lines, close)


def busy(detail: str, retry_after: float | None, *, close: bool = False) -> Answer:
    """Return 503 with Retry-After in whole seconds."""
    seconds = COME_AGAIN_SECONDS if retry_after is None else _whole(retry_after)
    return problem(503, detail, lines=b"retry-after: %d\r\n" % seconds, close=close)


def _whole(seconds: float) -> int:
    return max(1, -int(-seconds // 1))


def _problem(status: int, detail: str, faults: Sequence[Fault], verdict: Verdict | None = None) -> bytes:
    report: dict[str, object] = {"type": "about:blank", "title": _title(status), "status": status}
    if detail:
        report["detail"] = detail
    if verdict is not None:
        report["id"] = verdict.message_id
        report["disposition"] = verdict.disposition.word
    if faults:
        report["errors"] = [
            {"path": fault.path, "detail": fault.text, "code": fault.code} for fault in faults
        ]
    return json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode()


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


class Writer:
    """Turns answers into bytes; keeps the status lines and the current `Date` ready."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = b""
        self._heads: dict[int, bytes] = {}
        self._accepted = self._head(202)

    def response(self, answer: Answer | bytes, *, close: bool, bodiless: bool = False) -> bytes:
        """Return the whole response; `bodiless` answers HEAD, which gets the length and no content."""
        if isinstance(answer, bytes):
            if answer[:4] == b"202\n" and not close:
                size = len(answer) - 4
                return b"%bcontent-length: %d\r\n%b\r\n%b" % (self._accepted, size, self._now(), answer[4:])
            answer = from_stored(answer)
        head = self._heads.get(answer.status) or self._head(answer.status)
        if answer.kind:
            head = _head_of(answer.status, answer.kind)
        body = answer.body
        parts = [head, answer.lines]
        if answer.pieces is not None:
            parts.append(b"transfer-encoding: chunked\r\n")
        elif answer.status != 204:  # RFC 9110 8.6: no Content-Length beside 204
            parts.append(b"content-length: %d\r\n" % len(body))
        parts.append(self._now())
        parts.append(b"connection: close\r\n\r\n" if close else b"\r\n")
        if not bodiless:
            parts.append(body)
        return b"".join(parts)

    def _head(self, status: int) -> bytes:
        kind = PROBLEM if status >= 400 else JSON
        lines = [f"HTTP/1.1 {status} {_title(status)}"]
        if status != 204:
            lines.append(f"content-type: {kind}")
        self._heads[status] = head = "\r\n".join([*lines, ""]).encode("ascii")
        return head

    def _now(self) -> bytes:
        second = self._clock.now_ms() // 1000
        if second != self._second:
            self._second = second
            self._date = b"date: " + formatdate(second, usegmt=True).encode("ascii") + b"\r\n"
        return self._date


def _head_of(status: int, kind: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {_title(status)}"]
    if status != 204:
        lines.append(f"content-type: {kind}")
    return "\r\n".join([*lines, ""]).encode("ascii")
