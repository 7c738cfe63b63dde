"""A log line holds what is allowed, and nothing that a payload could reach."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.errors import Transient
from engine.observe.logs import JsonFormatter, PlainFormatter, configure

PAYLOAD = "Zelie-Fictive-1963"


def record(
    error: BaseException | None = None, *, name: str = "engine.x", text: str = "settled", **extra: object
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, __file__, 1, text, None, None, "said")
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


# --------------------------------------------------------------------------- libraries


@pytest.mark.parametrize("name", ["engine", "engine.x", "channels.mllp.inbound", "passerelle.channel"])
def test_what_we_say_is_kept(name: str) -> None:
    assert json.loads(JsonFormatter().format(record(name=name)))["text"] == "settled"


@pytest.mark.parametrize(
    "name", ["pydicom", "asyncio", "py.warnings", "root", "engineering", "channels_redis.core"]
)
def test_of_what_a_library_says_only_the_place_is_kept(name: str) -> None:
    said = record(name=name, text=f"Invalid value for VR PN: {PAYLOAD}")
    for formatter in (JsonFormatter(), PlainFormatter()):
        line = formatter.format(said)
        assert PAYLOAD not in line
        assert "test_logs.py:1 said" in line and name in line


@contextmanager
def configured() -> Iterator[None]:
    """The log as the command line sets it up, and afterwards as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():  # puts `showwarning` back
        warnings.simplefilter("always")
        configure()
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)


def test_a_warning_of_a_library_is_logged_and_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        warnings.warn(f"Invalid value for VR PN: {PAYLOAD}", UserWarning, stacklevel=1)
    told = capsys.readouterr().err
    assert "UserWarning at " in told and "test_logs.py" in told
    assert PAYLOAD not in told


def test_what_a_library_says_by_the_way_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        logging.getLogger("pydicom").info("read a file")
        logging.getLogger("engine.x").info("ready")
    told = capsys.readouterr().err
    assert ("ready" in told, "pydicom" in told) == (True, False)
