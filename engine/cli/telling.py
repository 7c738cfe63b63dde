"""Which errors are told to people, and with which exit code; imported only once something has failed."""

from __future__ import annotations

from engine.api.problems import BadCall, Forbidden, NotRunning, Unauthorized
from engine.cli.exits import Exit
from engine.errors import (
    ConfigurationError,
    Conflict,
    NotFound,
    PasserelleError,
    StoreCorrupt,
    StoreFailed,
    StoreLocked,
    Transient,
)
from engine.security.identity import UnusableCertificate
from engine.security.secrets import UnreadableSecret
from engine.store.protocol import StoreRefused

_CODES: tuple[tuple[type[PasserelleError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (BadCall, Exit.USAGE),
    (StoreRefused, Exit.USAGE),
    (UnusableCertificate, Exit.USAGE),
    (UnreadableSecret, Exit.USAGE),
    (NotFound, Exit.NOTHING),
    (NotRunning, Exit.UNREACHABLE),
    (Unauthorized, Exit.UNREACHABLE),
    (Forbidden, Exit.UNREACHABLE),
    (Conflict, Exit.UNREACHABLE),
    (Transient, Exit.UNREACHABLE),
    (StoreFailed, Exit.DISK),
    (StoreCorrupt, Exit.DISK),
    (StoreLocked, Exit.LOCKED),
    (PasserelleError, Exit.FAILED),
)
"""From the particular to the general."""


def ours(error: BaseException) -> PasserelleError | None:
    """Return the error to tell; None where something failed that nobody named: its trace is needed.

    Of a group the gravest is told, as the table above has it from its end.
    """
    if isinstance(error, PasserelleError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    mine, other = error.split(PasserelleError)
    if mine is None or other is not None:
        return None
    return max(_leaves(mine), key=code_of)


def code_of(error: PasserelleError) -> Exit:
    """Return the exit code of an error."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def _leaves(group: BaseExceptionGroup[PasserelleError]) -> list[PasserelleError]:
    found: list[PasserelleError] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found
