"""Every YAML file is mutated by machine; what is reported must stand at the mutated node."""

from __future__ import annotations

import base64
import random
import re
import shutil
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.plugins import Plugins, installed
from engine.config.two_way import is_two_way
from engine.errors import ConfigurationError, Problem
from engine.testing.cases import cases_beside
from engine.testing.golden import load_cases
from engine.testing.scene import load_scene
from tests.config.mutation import Mutant, mutants
from tests.config.project import NOW_MS, SAMPLES, make_project, write
from tests.config.sample_plugins import plugins

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "engine" / "cli" / "templates"
PLACEHOLDER = "whsec_" + base64.b64encode(b"placeholder" * 3).decode()
"""What stands where certificates and keys would be; a webhook key is read when the configuration is."""
MOST = 40
"""Mutants of one file in `make test`, drawn over all of it; `make soak` makes all of them."""
EVERY = 1_000_000
THOROUGH = [pytest.param(MOST, id="some"), pytest.param(EVERY, id="all", marks=pytest.mark.soak)]
ALL = ("rename", "typo", "duplicate", "kind")
FREE = [
    tuple(pattern.split("/"))
    for pattern in (
        "listen/*",
        "listen/*/callers/*",
        "listen/*/commitment/reports/*",
        "listen/*/stations/*",
        "tls/*",
        "connections/*",
        "tables/*",
        "tables/*/*",
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
        "document/**",
        "clinics/*",
        "*/partners/*",
        "*/in/*/set/*",
    )
]
"""Keys that are names of the user's own choice: any other name is right, too. `**` is everything below."""
ANY_KIND = [("document", "**")]
"""Where text, mappings and lists are all right: what a mapper makes."""

Reader = Callable[[], Sequence[Problem]]


def errors_of(plugins: Plugins, env: str | None = None) -> Sequence[Problem]:
    """Return all errors of the project in the working folder."""
    try:
        load_configuration(Path("config.yaml"), env=env, environ={"PATH": ""}, plugins=plugins, now_ms=NOW_MS)
    except ConfigurationError as error:
        return [problem for problem in error.problems if problem.severity == "error"]
    return []


def reader_of_tests(name: str) -> Reader:
    """Return what reads the tests beside one route of the project in the working folder, which is loaded once."""
    loaded = load_configuration(Path("config.yaml"), environ={"PATH": ""}, now_ms=NOW_MS)
    (route,) = (route for route in loaded.routes if cases_beside(route.path) == Path(name))

    def errors() -> Sequence[Problem]:
        try:
            load_cases(route)
        except ConfigurationError as error:
            return error.problems
        return []

    return errors


def errors_of_scene() -> Sequence[Problem]:
    """Return all errors of the scene that `passerelle dev` plays."""
    try:
        load_scene(Path("routes/samples/scene.yaml"))
    except ConfigurationError as error:
        return error.problems
    return []


def shipped_reader(name: str) -> Reader:
    """Return what reads one of the shipped files."""
    if name.endswith(".test.yaml"):
        return reader_of_tests(name)
    if name == "routes/samples/scene.yaml":
        return errors_of_scene
    assert re.fullmatch(r"((routes|partners|env|mappings)/)?[\w-]+\.yaml", name), f"nobody reads {name}"
    return lambda: errors_of(installed())


SAMPLE_FILES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.yaml"))
PROJECTS = ("routes/hl7", "routes/events", "routes/imaging", "routes/research")
"""Shipped projects of their own, beside the one at the top."""


def is_read_by_rules(path: Path) -> bool:
    """Tell whether a file holds rules of a two-way mapper: engine.mapping reads them, and has tests of its own."""
    return path.parts[-2] == "mappings" and (
        is_two_way(path) or re.search(r"(?m)^document:", path.read_text()) is None
    )


SHIPPED_FILES = [
    "config.yaml",
    *sorted(
        str(path.relative_to(ROOT))
        for part in ("routes", "mappings", "partners", "env")
        for path in (ROOT / part).rglob("*.yaml")
        if not is_read_by_rules(path)
    ),
]
TEMPLATE_FILES = {
    "config.yaml": "config.yaml",
    "route.yaml": "routes/appointments.yaml",
    "route.test.yaml": "routes/appointments.test.yaml",
}
"""Templates of `passerelle init`, and where it puts them."""


@pytest.mark.parametrize("most", THOROUGH)
@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_a_mistake_in_a_sample_is_reported_where_it_was_made(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    env = "prod" if name == "env/prod.yaml" else "test"

    assert unreported(name, lambda: errors_of(plugins(), env), most=most, kinds=ALL[1:]) == []


@pytest.mark.parametrize("most", THOROUGH)
@pytest.mark.parametrize("name", SHIPPED_FILES)
def test_a_mistake_in_a_shipped_file_is_reported_where_it_was_made(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("routes", "mappings", "partners", "env", "tables"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part)
    write_config(tmp_path, ROOT / "config.yaml")
    project = next((project for project in PROJECTS if name.startswith(f"{project}/")), ".")
    within = name.removeprefix(f"{project}/")
    monkeypatch.chdir(tmp_path / project)

    assert unreported(within, shipped_reader(within), most=most) == []


@pytest.mark.parametrize("most", THOROUGH)
@pytest.mark.parametrize("name", TEMPLATE_FILES)
def test_a_mistake_in_a_template_is_reported_where_it_was_made(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for template, place in TEMPLATE_FILES.items():
        write(tmp_path, place, (TEMPLATES / template).read_text(encoding="utf-8"))
    write_config(tmp_path, TEMPLATES / "config.yaml")
    monkeypatch.chdir(tmp_path)

    assert unreported(TEMPLATE_FILES[name], shipped_reader(TEMPLATE_FILES[name]), most=most) == []


def test_every_template_is_mutated() -> None:
    assert {path.name for path in TEMPLATES.glob("*.yaml")} == set(TEMPLATE_FILES)


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


def write_config(folder: Path, original: Path) -> None:
    """Copy a config.yaml, and write placeholders where its certificates and secrets would be."""
    config = original.read_text(encoding="utf-8")
    write(folder, "config.yaml", config)
    for file in set(re.findall(r"certs/[\w.-]+", config)):
        write(folder, file, PLACEHOLDER)


def unreported(name: str, read: Reader, *, most: int, kinds: Sequence[str] = ALL) -> list[str]:
    """Return the mutants, of at most so many of one file in the working folder, whose place no problem names."""
    path = Path(name)
    original = path.read_text(encoding="utf-8")
    assert list(read()) == [], "the file is valid before it is mutated"
    missed: list[str] = []
    made = [mutant for mutant in mutants(original) if mutant.kind in kinds and not is_free(mutant)]
    for mutant in random.Random(name).sample(made, min(most, len(made))):
        path.write_text(mutant.text, encoding="utf-8")
        found = [problem for problem in read() if problem.file == name]
        if not any(mutant.holds(problem.line, problem.column) for problem in found):
            told = "; ".join(f"{problem.line}:{problem.column} {problem.message}" for problem in found)
            missed.append(f"{mutant.kind} of {'/'.join(mutant.path)} at {mutant.begin}: {told or 'nothing'}")
    path.write_text(original, encoding="utf-8")
    print(f"{min(most, len(made))} of {len(made)} mistakes, {len(missed)} not reported where they are")
    return missed


def is_free(mutant: Mutant) -> bool:
    """Tell whether what was changed is right as well."""
    free = ANY_KIND if mutant.kind == "kind" else FREE if mutant.kind in ("rename", "typo") else []
    return any(matches(mutant.path, pattern) for pattern in free)


def matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Tell whether a key's path fits a pattern."""
    if pattern[-1] == "**":
        return len(path) >= len(pattern) and path[: len(pattern) - 1] == pattern[:-1]
    return len(path) == len(pattern) and all(map(fnmatchcase, path, pattern))
