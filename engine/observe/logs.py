"""Structured logs: one JSON object a line, an allow-list of fields, exceptions without their arguments.

A log never holds a payload, a name or a secret. Callers pass `extra={"action": ..., ids...}`; a field that is not on
the list is dropped, so that a careless caller cannot leak. The text of our own errors and log calls is kept (they hold
no payload by contract); of any other exception only its type and where it was raised, and of what a library logs or
warns of only where: pydicom quotes the values that it finds wrong, asyncio the exceptions that nobody took.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from engine.errors import PasserelleError

FIELDS = frozenset(
    {
        "action", "address", "attempt", "attempts", "channel", "code", "count", "delivery", "disposition",
        "due_ms", "endpoint", "exit_code", "file", "line", "listener", "message_id", "partner", "path", "pid",
        "reason", "result", "route", "seconds", "signal", "state", "version",
    }
)  # fmt: skip
"""Extra fields that may appear in a log line."""

_log = logging.getLogger(__name__)
_OURS = ("engine", "channels", "passerelle")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Render a record as one JSON line: time (RFC 3339, UTC, ms), level, logger, text, allowed fields, error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": text_of(record),
        }
        line.update((key, value) for key, value in vars(record).items() if key in FIELDS)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainFormatter(JsonFormatter):
    """The same content for a terminal: `14:05:09 warning engine.x: text action=... delivery=...`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        fields = " ".join(f"{key}={value}" for key, value in vars(record).items() if key in FIELDS)
        text = (
            f"{moment:%H:%M:%S} {record.levelname.lower()} {record.name}: {text_of(record)} {fields}".rstrip()
        )
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n  " + "\n  ".join(describe(record.exc_info[1]))
        return text


def is_ours(record: logging.LogRecord) -> bool:
    """Tell whether a record comes from Passerelle and not from a library."""
    return record.name.partition(".")[0] in _OURS


def text_of(record: logging.LogRecord) -> str:
    """Return what a record says; of a library's only where it was said."""
    if is_ours(record):
        return record.getMessage()
    return f"a library has something to say: {record.filename}:{record.lineno} {record.funcName}"


def describe(error: BaseException) -> list[str]:
    """Return the chain of an exception as lines: type, our own text if it is ours, and the places it passed."""
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None and len(lines) < 60:
        text = f": {current}" if isinstance(current, PasserelleError) else ""
        lines.append(f"{type(current).__module__}.{type(current).__qualname__}{text}")
        lines.extend(_places(current.__traceback__))
        if isinstance(current, BaseExceptionGroup):
            for inner in current.exceptions[:5]:
                lines.extend(describe(inner))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _places(trace: TracebackType | None) -> list[str]:
    return [
        f"  at {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]
    ]


def configure(*, level: str = "info", plain: bool = False) -> None:
    """Send the log and Python's warnings to standard error; called by the command line, anew for a new level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: is_ours(record) or record.levelno >= logging.WARNING)
    warnings.showwarning = _warned
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for noisy in ("aiormq", "aio_pika", "asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning by its kind and place: its text may quote what was read."""
    _log.warning("%s at %s:%d", category.__name__, filename, lineno, extra={"action": "warning"})
