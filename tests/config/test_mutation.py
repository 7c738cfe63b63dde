"""Every YAML file is mutated by machine; what is reported must stand at the mutated node."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.plugins import Plugins, installed
from engine.errors import ConfigurationError, Problem
from tests.config.mutation import mutants
from tests.config.project import NOW_MS, SAMPLES, make_project, write
from tests.config.sample_plugins import plugins

ROOT = Path(__file__).parents[2]
PLACEHOLDER = "whsec_" + base64.b64encode(b"placeholder" * 3).decode()
"""What stands where certificates and keys would be; a webhook key is read when the configuration is."""
FREE = [
    tuple(pattern.split("/"))
    for pattern in (
        "listen/*",
        "tls/*",
        "connections/*",
        "tables/*",
        "profiles/*",
        "step_lists/*",
        "alerts/*",
        "partners/*",
        "partners/*/identifiers/*",
        "partners/*/endpoints/*",
        "identifiers/*",
        "endpoints/*",
        "api/tokens/*",
        "keys/*",
        "steps/*/set/*",
    )
]
"""Keys that are names of the user's own choice: any other name is right, too."""
SHIPPED = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("config.yaml", "routes/*.yaml", "partners/*.yaml", "env/*.yaml")
    for path in ROOT.glob(pattern)
    if not path.name.endswith(".test.yaml")
)
SAMPLE_FILES = sorted(
    str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.yaml") if path.parent.name != "mappings"
)


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_a_mistake_in_a_sample_is_reported_where_it_was_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    env = "prod" if name == "env/prod.yaml" else "test"

    assert unreported(name, plugins(), env=env, kinds=("typo", "duplicate", "kind")) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_mistake_in_a_shipped_file_is_reported_where_it_was_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_shipped(tmp_path)
    monkeypatch.chdir(tmp_path)

    assert unreported(name, installed(), env=None) == []


def test_a_mutant_changes_the_text_only_where_the_mistake_is() -> None:
    text = "a: {b: 1}\nc:\n  - d: x\n"

    made = {(mutant.kind, "/".join(mutant.path)): mutant for mutant in mutants(text)}

    assert made["rename", "a/b"].text == "a: {zzz_unknown: 1}\nc:\n  - d: x\n"
    assert made["typo", "c"].text == "a: {b: 1}\ncc:\n  - d: x\n"
    assert made["duplicate", "a/b"].text == "a: {b: x, b: 1}\nc:\n  - d: x\n"
    assert made["duplicate", "c/*/d"].text == "a: {b: 1}\nc:\n  - d: x\n    d: x\n"
    assert made["duplicate", "c/*/d"].begin == (4, 5)
    assert made["kind", "a"].text == "a: wrong kind\nc:\n  - d: x\n"
    assert made["kind", "c"].begin == (3, 3)


def copy_shipped(folder: Path) -> None:
    """Copy what the repository ships into `folder`, with placeholders where certificates and secrets would be."""
    for part in ("routes", "mappings", "partners", "env", "tables"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
    config = (ROOT / "config.yaml").read_text(encoding="utf-8")
    write(folder, "config.yaml", config)
    for file in set(re.findall(r"certs/[\w.-]+", config)):
        write(folder, file, PLACEHOLDER)


def unreported(
    name: str,
    plugins: Plugins,
    *,
    env: str | None,
    kinds: Sequence[str] = ("rename", "typo", "duplicate", "kind"),
) -> list[str]:
    """Return the mutants of one file of the project in the working folder whose place no problem names."""
    path = Path(name)
    original = path.read_text(encoding="utf-8")
    assert problems(plugins, env) == [], "the file is valid before it is mutated"
    missed: list[str] = []
    for mutant in mutants(original):
        if mutant.kind not in kinds or (mutant.kind in ("rename", "typo") and is_free(mutant.path)):
            continue
        path.write_text(mutant.text, encoding="utf-8")
        found = [problem for problem in problems(plugins, env) if problem.file == name]
        if not any(mutant.holds(problem.line, problem.column) for problem in found):
            told = "; ".join(f"{problem.line}:{problem.column} {problem.message}" for problem in found)
            missed.append(f"{mutant.kind} of {'/'.join(mutant.path)} at {mutant.begin}: {told or 'nothing'}")
    path.write_text(original, encoding="utf-8")
    return missed


def problems(plugins: Plugins, env: str | None) -> list[Problem]:
    """Return all errors of the project in the working folder."""
    try:
        load_configuration(Path("config.yaml"), env=env, environ={"PATH": ""}, plugins=plugins, now_ms=NOW_MS)
    except ConfigurationError as error:
        return [problem for problem in error.problems if problem.severity == "error"]
    return []


def is_free(path: tuple[str, ...]) -> bool:
    """Tell whether a key is a name of the user's own choice."""
    return any(len(path) == len(pattern) and all(map(fnmatchcase, path, pattern)) for pattern in FREE)
