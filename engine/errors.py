"""Every error of the engine, raised by consequence: what must happen next, not where it came from.

`Transient` is tried again, `Permanent` moves to the next fallback, `Rejected` ends as a dead letter or a refusal.
Texts say what, where and what to do; they never hold a payload, a name or a secret, because logs may quote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.model import Fault, Reply


class PasserelleError(Exception):
    """Root of everything that Passerelle raises on purpose."""


class Transient(PasserelleError):
    """Try again later.

    `retry_after` is in seconds where the other side asked for it. `sent` says that something was sent and no valid
    reply came back: an unknown outcome (G3), never superseded or recalled. `code` is short and stable (`timeout`,
    `503`, `refused`), `reply` the partner's evidence where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        sent: bool = False,
        code: str = "transient",
        reply: Reply | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.sent = sent
        self.code = code
        self.reply = reply


class Deferred(Transient):
    """The partner is not ready for this message (its patient is not known yet): come again after `retry_after` seconds.

    Nothing is wrong with endpoint or message, so neither breaker nor retry budget counts it.
    """


class Permanent(PasserelleError):
    """This endpoint will not take it, another may: go to the next fallback, else dead letter.

    `disable` closes the endpoint until an operator enables it again (HTTP 410).
    """

    def __init__(
        self, message: str, *, code: str = "permanent", disable: bool = False, reply: Reply | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.disable = disable
        self.reply = reply


class Rejected(PasserelleError):
    """The message itself is at fault: refuse it at the door, or dead-letter it without a fallback.

    `faults` name the paths at fault; they hold no payload.
    """

    def __init__(
        self,
        message: str,
        *,
        faults: Sequence[Fault] = (),
        code: str = "rejected",
        reply: Reply | None = None,
    ) -> None:
        super().__init__(message)
        self.faults = tuple(faults)
        self.code = code
        self.reply = reply


class MalformedMessage(Rejected):
    """The bytes are no document of their content type; `position` is a byte offset where one is known."""

    def __init__(self, message: str, *, position: int | None = None, path: str = "") -> None:
        super().__init__(message, faults=(Fault(path, message, "malformed"),), code="malformed")
        self.position = position


class Unmatched(Rejected):
    """No route takes this message at this door."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message, faults=(Fault(path, message, "unmatched"),), code="unmatched")


class BudgetExceeded(Transient):
    """Memory, connections or disk are short: the sender is asked to come back (G6)."""


class StoreUnavailable(Transient):
    """The store rolled the operation back and nothing of it is durable (disk full, lock, timeout)."""


class CommitUnknown(PasserelleError):
    """The store cannot say whether the commit happened: look the id up before any reply."""


class StoreFailed(PasserelleError):
    """The disk failed a write or an fsync: the process must end with exit code 74 and never retry the fsync."""


class StoreLocked(PasserelleError):
    """Another process holds the store: exit code 75."""


class StoreCorrupt(PasserelleError):
    """The database is corrupt: intake stops, reading stays possible, an operator is told."""


FATAL: Final = (StoreFailed, StoreCorrupt, StoreLocked)
"""The engine must hear of these whoever meets them: nobody is answered, and the process ends."""


class Conflict(PasserelleError):
    """Compare-and-set lost: the row changed since it was read; nothing was written."""


class NotFound(PasserelleError):
    """There is no such row, name or id."""


class ExpressionError(PasserelleError):
    """An expression, a template or a path that users wrote cannot be compiled.

    `offset` and `length` count characters within the text that was compiled, so that the loader can put the caret
    under it; `help` says what to write instead, "" where nobody knows.
    """

    def __init__(self, message: str, *, offset: int = 0, length: int = 1, help: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.length = length
        self.help = help


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a configuration file; lines and columns count from 1, `length` in characters."""

    file: str
    line: int
    column: int
    message: str
    length: int = 1
    help: str = ""
    source: str = ""
    severity: str = "error"

    def render(self) -> str:
        """Return the finding as `file:line:column: severity: message`, the line itself, and a caret under it."""
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        if not self.source:
            return f"{text}\n  help: {self.help}" if self.help else text
        caret = " " * (self.column - 1) + "^" * max(1, self.length)
        hint = f" help: {self.help}" if self.help else ""
        return f"{text}\n{self.line:5} | {self.source}\n      | {caret}{hint}"


class ConfigurationError(PasserelleError):
    """What users wrote cannot run; holds every problem that was found, not only the first. Exit code 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = tuple(problems)
