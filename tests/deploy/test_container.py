"""The container's recipe: nobody's root, state in a volume, healthy only while the engine answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from engine.cli import cli
from tests.api.project import write_project
from tests.cli.invoking import ROOT, Shell, passerelle, supervised

RECIPE = ROOT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, argument) of every line, continued lines joined, comments left out."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line]


def last(name: str) -> str:
    return [argument for instruction, argument in instructions() if instruction == name][-1]


def health_check() -> list[str]:
    """Return the verb with its arguments that says whether the container is healthy."""
    command: list[str] = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "passerelle"
    return command[1:]


def test_the_engine_is_not_root() -> None:
    assert last("USER").isdecimal()
    assert last("USER") != "0"


def test_what_is_copied_exists() -> None:
    sources = [
        source
        for instruction, argument in instructions()
        if instruction == "COPY" and not argument.startswith("--from")
        for source in argument.split()[:-1]
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_what_is_copied_is_not_ignored() -> None:
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for instruction, argument in instructions()
        if instruction == "COPY" and not argument.startswith("--from")
        for source in argument.split()[:-1]
    }
    assert ignore[0] == "*"
    assert copied == kept
    assert {"**/*.key", "**/*.whsec"} <= set(ignore)


def test_the_state_is_a_volume_below_the_working_folder() -> None:
    assert last("VOLUME") == f"{last('WORKDIR')}/var"


def test_it_runs_and_is_stopped_as_the_engine_expects() -> None:
    assert json.loads(last("ENTRYPOINT")) + json.loads(last("CMD")) == ["passerelle", "run"]
    assert cli.get_command(click.Context(cli), "run") is not None
    assert last("STOPSIGNAL") == "SIGTERM"


def test_it_is_healthy_while_the_engine_answers(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path):
        assert passerelle(tmp_path, *health_check()).code == 0


def test_it_is_not_healthy_when_only_the_store_is_left(shell: Shell) -> None:
    write_project(shell.folder)
    with supervised(shell.folder):
        pass
    assert shell("status").code == 0
    assert shell(*health_check()).code == 4
