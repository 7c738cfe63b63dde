"""What each failure ends with, and what is told of it."""

from __future__ import annotations

import click
import pytest

from engine.api.problems import BadCall, Forbidden, NotRunning, Unauthorized
from engine.cli.exits import Exit, guarded
from engine.errors import (
    ConfigurationError,
    Conflict,
    NotFound,
    PasserelleError,
    Problem,
    Rejected,
    StoreCorrupt,
    StoreFailed,
    StoreLocked,
    Transient,
)
from engine.store.protocol import StoreRefused

ERRORS = [
    (ConfigurationError([Problem("a.yaml", 1, 1, "wrong")]), 2),
    (BadCall("what"), 2),
    (StoreRefused("not on NFS"), 2),
    (NotFound("none"), 3),
    (NotRunning("stopped"), 4),
    (Unauthorized("who"), 4),
    (Forbidden("no"), 4),
    (Conflict("not now"), 4),
    (Transient("busy"), 4),
    (StoreFailed("EIO"), 74),
    (StoreCorrupt("page 7"), 74),
    (StoreLocked("by 12"), 75),
    (Rejected("wrong"), 1),
    (PasserelleError("otherwise"), 1),
]


def failing(error: BaseException) -> click.Command:
    @click.command()
    def verb() -> None:
        raise error

    return verb


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_of_ours_is_told_without_a_trace(
    error: PasserelleError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing(error), []) == code
    assert capsys.readouterr() == ("", f"{error}\n")


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_within_groups_is_told_as_itself(
    error: PasserelleError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing(ExceptionGroup("", [ExceptionGroup("", [error])])), []) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_of_several_errors_the_gravest_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("", [Transient("busy"), StoreFailed("EIO"), NotFound("none")])
    assert guarded(failing(group), []) == 74
    assert capsys.readouterr().err == "EIO\n"


def test_a_defect_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(failing(ZeroDivisionError()), [])


def test_a_defect_beside_an_error_of_ours_keeps_its_trace() -> None:
    with pytest.raises(ExceptionGroup):
        guarded(failing(ExceptionGroup("", [NotFound("none"), ZeroDivisionError()])), [])


def test_an_interrupt_ends_with_130() -> None:
    assert guarded(failing(KeyboardInterrupt()), []) == Exit.INTERRUPTED


def test_wrong_use_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(NotFound("none")), ["--nonsense"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_the_code_that_a_verb_returns_is_its_end() -> None:
    @click.command()
    def verb() -> int:
        return Exit.FAILED

    assert guarded(verb, []) == 1
