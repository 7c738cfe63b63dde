"""What stands on a terminal: ids stay whole, empty columns go, states are told apart; a pipe gets plain lines."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from engine.cli.terminal import Terminal, Word, lasting, local, octets
from engine.cli.words import Language
from tests.cli.invoking import environment

IDENTIFIER = "06H00VSTQ400HQ4RDS48"
DRAW = """
from engine.cli.terminal import Terminal, Word
from engine.cli.words import Language
terminal = Terminal(as_json=False, language=Language("en"))
terminal.table("Deliveries", ("message", "state", "reason", "attempts", "held", "remark"), [
    ("06H00VSTQ400HQ4RDS48", Word("dead"), None, 3, 0, "nobody listens at the partner's address, as it seems"),
    ("06H00VSTTR01TD64X6PS", Word("delivered"), None, 1, 0, ""),
])
"""


def drawn(columns: int) -> Sequence[str]:
    """Return the lines that a terminal of so many columns shows, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", raw(columns)).splitlines()


def raw(columns: int) -> str:
    """Return what is written to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", DRAW],
        env=environment(COLUMNS=str(columns), TERM="xterm"), stdout=theirs, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux tells the end of a terminal by EIO
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    _, failed = process.communicate(timeout=60)
    assert process.returncode == 0, failed.decode()
    return written.decode()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_an_id_is_never_broken(columns: int) -> None:
    assert any(IDENTIFIER in line for line in drawn(columns))


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_longer_than_the_terminal(columns: int) -> None:
    assert max(map(len, drawn(columns))) <= columns


def test_a_column_without_a_value_is_left_out() -> None:
    assert "reason" not in drawn(200)[1]


def test_a_column_of_zeros_gives_way_where_it_is_narrow() -> None:
    assert ("held" in drawn(200)[1], "held" in drawn(60)[1]) == (True, False)


def test_a_state_has_its_colour() -> None:
    assert "\x1b[1;31mdead" in raw(200)


def test_a_pipe_gets_aligned_lines_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False, language=Language("fr"))
    terminal.table("Deliveries", ("message", "state"), [(IDENTIFIER, Word("dead")), ("B", None)])
    assert capsys.readouterr().out.splitlines() == [
        "message               état",
        f"{IDENTIFIER}  en échec définitif",
        "B                     -",
    ]


def test_only_states_are_translated(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False, language=Language("fr")).table("Attempts", ("code",), [("refused",)])
    assert capsys.readouterr().out.splitlines()[1] == "refused"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.012, "12 ms"),
        (1.44, "1.4 s"),
        (302, "5 min 2 s"),
        (93_600, "1 d 2 h"),
        (7_260, "2 h 1 min"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float | None, text: str) -> None:
    assert lasting(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")]
)
def test_sizes_are_told_in_the_largest_unit(count: int, text: str) -> None:
    assert octets(count) == text


def test_a_time_of_another_day_has_its_date() -> None:
    assert local("2020-01-02T03:04:05.678Z").startswith("2020-01-0")
    assert local(None) == ""
