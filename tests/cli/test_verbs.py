"""The table of verbs: each is there, says what it does, and help stays light."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from engine.cli import cli
from engine.cli.desk import OPTIONS
from engine.cli.manual import manual
from engine.cli.verbs import VERBS
from tests.cli.invoking import Shell, environment

ENGINE = ("engine.config", "pydantic", "aiohttp", "anyio", "rich", "yaml", "apsw", "cryptography", "asyncio")
HEAVY = ("engine.errors", *ENGINE)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_described(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert command.help


def test_help_lists_every_verb(shell: Shell) -> None:
    ended = shell("--help")
    assert ended.code == 0
    assert [verb for verb in VERBS if verb not in ended.out] == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from engine.cli import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("verb", ["status", "messages", "pause x", "tail"])
def test_a_verb_over_the_socket_imports_no_engine(verb: str) -> None:
    code = (
        "import sys\n"
        "from engine.cli import cli\n"
        "from engine.errors import Transient\n"
        "try:\n"
        f"    cli({[*verb.split(), '--socket', 'nobody.sock']}, standalone_mode=False)\n"
        "except Transient:\n"
        f"    print([name for name in {ENGINE} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"


def test_a_misspelt_verb_is_told(shell: Shell) -> None:
    ended = shell("statsu")
    assert ended.code == 2
    assert 'Did you mean "status"?' in ended.err


def test_the_version_is_printed(shell: Shell) -> None:
    assert shell("--version").out.startswith("passerelle, version ")


def test_the_manual_describes_every_verb_once() -> None:
    headings = [line for line in manual().splitlines() if line.startswith("## passerelle ")]
    assert {heading.split()[2] for heading in headings} == set(VERBS)
    assert len(set(headings)) == len(headings)


def test_options_that_many_verbs_have_are_described_once() -> None:
    lines = manual().splitlines()
    assert len([line for line in lines if line.startswith("- `--socket PATH`")]) == 1
    assert len(OPTIONS) == 6
