"""The table of verbs: each is there, says what it does, and help stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from engine.api.calls import Operation
from engine.api.table import OPERATIONS
from engine.cli import cli
from engine.cli.desk import OPTIONS
from engine.cli.manual import manual
from engine.cli.verbs import VERBS
from tests.cli.invoking import ROOT, Shell, environment

ENGINE = ("engine.config", "pydantic", "aiohttp", "anyio", "rich", "yaml", "apsw", "cryptography", "asyncio")
HEAVY = ("engine.errors", *ENGINE)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_described(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert command.help


def texts_of_verbs() -> Iterator[str]:
    """Give every text of the command line's modules, with `{}` for what is filled in."""
    for source in (ROOT / "engine" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = [each.value if isinstance(each, ast.Constant) else "{}" for each in node.values]
                yield "".join(str(part) for part in parts)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_every_operation_of_the_api_is_reached_by_a_verb(operation: Operation) -> None:
    path = re.sub(r"\{\w+\}", "{}", operation.path)
    # the one page of rows that `tail` and `audit export` give as a stream, for programs that cannot read streams
    ways = {path, path.replace("unhold", "{}").replace("hold", "{}")} if path != "journal" else {"tail"}
    assert ways & set(texts_of_verbs())


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
