"""Exit codes, and the one place where errors become words on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import click


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


def guarded(command: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run a click command and return its exit code; our own errors are told without a trace."""
    try:
        result = command(arguments, prog_name="passerelle", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left has no reader either
        return Exit.OK
    except (Exception, BaseExceptionGroup) as error:
        from engine.cli.telling import code_of, ours

        told = ours(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        return code_of(told)
    return int(result) if isinstance(result, int) else Exit.OK
