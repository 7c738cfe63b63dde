"""Exit codes, and the one place where errors become words on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import click

from engine.errors import (
    ConfigurationError,
    NotFound,
    PasserelleError,
    StoreFailed,
    StoreLocked,
    Transient,
)


class Exit(IntEnum):
    """What a verb's end means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    UNREACHABLE = 4
    DISK = 74
    LOCKED = 75
    INTERRUPTED = 130


_CODES: tuple[tuple[type[PasserelleError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (NotFound, Exit.NOTHING),
    (StoreFailed, Exit.DISK),
    (StoreLocked, Exit.LOCKED),
    (Transient, Exit.UNREACHABLE),
    (PasserelleError, Exit.FAILED),
)


def guarded(command: Callable[..., Any]) -> int:
    """Run a click command and return its exit code; our own errors are told without a trace."""
    try:
        result = command(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.OK
    except BaseExceptionGroup as group:
        return _told(_ours(group))
    except PasserelleError as error:
        return _told(error)
    return int(result) if isinstance(result, int) else Exit.OK


def _ours(group: BaseExceptionGroup[BaseException]) -> PasserelleError:
    """Return the first error of our own in a group; anything else is raised as it is."""
    mine, other = group.split(PasserelleError)
    if mine is None or other is not None:
        raise group
    found: BaseException = mine
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PasserelleError)
    return found


def _told(error: PasserelleError) -> int:
    print(f"{error}", file=sys.stderr)
    return next(code for kind, code in _CODES if isinstance(error, kind))
