"""What one attempt came to, read from the partner's reply or from the error that the channel raised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.errors import Deferred, PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply, Result

MAX_EVIDENCE = 64 * 1024
"""Bytes of a partner's refusal that are kept with the attempt."""

MAX_ANSWER = 1024 * 1024
"""Bytes of a positive answer that are kept with the attempt: a sender may wait for it, now or when it comes again."""

MAX_REMARK = 500
"""Characters of an error's text that are kept with the attempt."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt as the schedule needs it.

    `code` is short and stable (`202`, `timeout`, `bug`); `retry_after` in seconds; `disable` closes the endpoint;
    `awaiting` says that the partner took the message and confirms later, `deferred` that it is not ready for it yet.
    `reference` is what it may name the message by then. `learnt` are names and values that later messages of the same
    ordering key want to know.
    """

    result: Result
    code: str
    remark: str = ""
    retry_after: float | None = None
    disable: bool = False
    awaiting: bool = False
    deferred: bool = False
    evidence: bytes = b""
    learnt: tuple[tuple[str, str], ...] = ()
    reference: str = ""


def from_reply(reply: Reply) -> Outcome:
    """Read a positive answer."""
    return Outcome(
        Result.DELIVERED,
        reply.code,
        awaiting=reply.awaiting,
        reference=reply.reference,
        evidence=reply.body[:MAX_ANSWER],
    )


def from_error(error: Exception) -> Outcome:
    """Read an error by its consequence; one that nobody named is a bug, of which only the type is kept."""
    if isinstance(error, Transient):
        result = Result.UNKNOWN if error.sent else Result.TRANSIENT
        found = _failure(result, error, error.code, error.reply, retry_after=error.retry_after)
        return replace(found, deferred=True) if isinstance(error, Deferred) and not error.sent else found
    if isinstance(error, Permanent):
        return _failure(Result.PERMANENT, error, error.code, error.reply, disable=error.disable)
    if isinstance(error, Rejected):
        return _failure(Result.REJECTED, error, error.code, error.reply)
    return Outcome(Result.BUG, "bug", remark=type(error).__qualname__[:MAX_REMARK])


def _failure(
    result: Result,
    error: PasserelleError,
    code: str,
    reply: Reply | None,
    *,
    retry_after: float | None = None,
    disable: bool = False,
) -> Outcome:
    evidence = reply.body[:MAX_EVIDENCE] if reply is not None else b""
    return Outcome(
        result, code, str(error)[:MAX_REMARK], retry_after=retry_after, disable=disable, evidence=evidence
    )


def cut(code: str, remark: str) -> Outcome:
    """Return the outcome of an attempt that the engine broke off: something may have been sent (G3)."""
    return Outcome(Result.UNKNOWN, code, remark)
