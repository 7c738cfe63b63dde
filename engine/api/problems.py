"""How failures travel: every error of the engine as an RFC 9457 problem, and back into the same error at the caller.

Light on purpose: the command line imports this before anything else of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import (
    CommitUnknown,
    ConfigurationError,
    Conflict,
    NotFound,
    PasserelleError,
    Permanent,
    Problem,
    Rejected,
    StoreCorrupt,
    StoreFailed,
    StoreLocked,
    Transient,
)
from engine.model import Fault

CONTENT_TYPE = "application/problem+json"
_TYPE = "urn:passerelle:problem:"


class BadCall(PasserelleError):
    """The call itself is wrong: a parameter is missing, not known, or cannot be read (400)."""


class NotRunning(PasserelleError):
    """The call needs a running engine, and this is a stopped store (409)."""


class Unauthorized(PasserelleError):
    """Nobody knows who calls: a token is missing or wrong (401)."""


class Forbidden(PasserelleError):
    """The caller's role does not allow it (403)."""


class EngineDefect(PasserelleError):
    """Something failed that nobody named; the engine's log has it (500)."""


@dataclass(frozen=True, slots=True)
class Failing:
    """How one kind of error is told: its word, its HTTP status and its title."""

    error: type[PasserelleError]
    word: str
    status: int
    title: str


FAILINGS: tuple[Failing, ...] = (
    Failing(BadCall, "bad-call", 400, "The call is wrong"),
    Failing(Unauthorized, "unauthorized", 401, "Who calls is not known"),
    Failing(Forbidden, "forbidden", 403, "The caller may not do this"),
    Failing(NotFound, "not-found", 404, "There is none"),
    Failing(NotRunning, "not-running", 409, "The engine is not running"),
    Failing(Conflict, "conflict", 409, "The state does not allow it"),
    Failing(ConfigurationError, "configuration", 422, "The configuration is wrong"),
    Failing(Rejected, "rejected", 422, "The message is refused"),
    Failing(Permanent, "permanent", 502, "The partner refuses"),
    Failing(Transient, "transient", 503, "Not now"),
    Failing(CommitUnknown, "commit-unknown", 503, "The outcome is not known"),
    Failing(StoreLocked, "store-locked", 503, "The store is in use"),
    Failing(StoreCorrupt, "store-corrupt", 503, "The store is damaged"),
    Failing(StoreFailed, "store-failed", 503, "The disk failed"),
    Failing(EngineDefect, "defect", 500, "The engine failed"),
)
"""From the particular to the general; an error is told by the first that it is an instance of."""

_ANY = Failing(PasserelleError, "failed", 500, "It failed")


def failing_of(error: PasserelleError) -> Failing:
    """Return how an error is told."""
    return next((each for each in FAILINGS if isinstance(error, each.error)), _ANY)


def problem_of(error: PasserelleError) -> dict[str, Any]:
    """Return the problem as JSON; errors of ours hold no payload, so their text may travel.

    Source: RFC 9457 3.1; `problems` and `faults` are extension members (3.2).
    """
    told = failing_of(error)
    problem: dict[str, Any] = {
        "type": _TYPE + told.word,
        "title": told.title,
        "status": told.status,
        "detail": str(error),
    }
    if isinstance(error, ConfigurationError):
        problem["problems"] = [_finding(each) for each in error.problems]
    if isinstance(error, Rejected):
        problem["faults"] = [
            {"path": each.path, "text": each.text, "code": each.code} for each in error.faults
        ]
    if isinstance(error, Transient) and error.retry_after is not None:
        problem["retry_after"] = error.retry_after
    return problem


def error_of(problem: Mapping[str, Any]) -> PasserelleError:
    """Return the error that a problem tells of, so that a caller treats it as if it had happened here."""
    word = str(problem.get("type", "")).removeprefix(_TYPE)
    detail = str(problem.get("detail") or problem.get("title") or "the engine gave no reason")
    kind = next((each.error for each in FAILINGS if each.word == word), PasserelleError)
    if kind is ConfigurationError:
        return ConfigurationError([Problem(**each) for each in problem.get("problems", ())])
    if kind is Rejected:
        faults = [Fault(each["path"], each["text"], each["code"]) for each in problem.get("faults", ())]
        return Rejected(detail, faults=faults)
    if kind is Transient:
        return Transient(detail, retry_after=problem.get("retry_after"))
    return kind(detail)


def _finding(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "length": problem.length,
        "help": problem.help,
        "source": problem.source,
        "severity": problem.severity,
    }
