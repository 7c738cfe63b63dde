"""A log line holds what is allowed, and nothing that a payload could reach."""

from __future__ import annotations

import json
import logging
import sys

from engine.errors import Transient
from engine.observe.logs import JsonFormatter, PlainFormatter

PAYLOAD = "Zelie-Fictive-1963"


def record(error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("engine.x", logging.WARNING, __file__, 1, "settled", None, None)
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    vars(made).update(extra)
    return made


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error):
        caught = sys.exc_info()[1]
    assert isinstance(caught, Exception)
    return caught


def test_allowed_fields_are_kept_and_others_dropped() -> None:
    line = json.loads(JsonFormatter().format(record(delivery=7, body=PAYLOAD)))
    assert line["delivery"] == 7
    assert "body" not in line


def test_a_foreign_exception_shows_its_type_and_place_but_not_its_arguments() -> None:
    text = JsonFormatter().format(record(raised(ValueError(PAYLOAD))))
    assert "builtins.ValueError" in text
    assert "test_logs.py" in text
    assert PAYLOAD not in text


def test_our_own_error_keeps_its_text() -> None:
    text = PlainFormatter().format(record(raised(Transient("the partner is absent"))))
    assert "engine.errors.Transient: the partner is absent" in text


def test_a_cause_is_followed_without_its_arguments() -> None:
    error = Transient("no answer")
    error.__cause__ = raised(KeyError(PAYLOAD))
    text = JsonFormatter().format(record(error))
    assert "KeyError" in text
    assert PAYLOAD not in text
