"""A seeded bug as its file holds it: what it is, which test must fail, and the patch that puts it into a copy.

A file begins with three lines (`Bug:`, `Caught by:`, `Seen:`), then a unified diff. The diff is applied by its lines
and not by its line numbers: what it takes away must stand in the file exactly once. So a patch survives every change
that does not touch its own lines, and no `patch` program is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.warm.calling import Warm

ROOT = Path(__file__).parents[2]
LIMIT = 180
"""Seconds that a named test may take: a mutant that hangs it is not caught."""

_TREE = ("engine", "channels", "routes", "mappings", "tests", "config.yaml", "pyproject.toml")

_PLAIN = ("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "_hypothesis_pytestplugin")

IMPORTED = (
    "_pytest.main", "_pytest.python", "_pytest.junitxml", "_pytest.assertion.rewrite", "_pytest.pastebin",
    "aiohttp.web", "apsw", "cryptography.x509.verification", "email.policy", "jsonschema_rs", "prometheus_client",
    "pydantic.types", "yaml",
)  # fmt: skip
"""What every named test would import, and no mutant changes. No plugin of pytest's: it rewrites them as it begins."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of one file that give way to others."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded bug; `seen` is what the failing test says, so that it fails for the bug and for nothing else."""

    name: str
    bug: str
    caught_by: str
    seen: str
    hunks: tuple[Hunk, ...]


class NoLongerApplies(AssertionError):
    """The lines that a patch changes are not there any more, or there more than once."""


def mutant_in(path: Path) -> Mutant:
    """Read a mutant; ValueError when a line of its head is missing."""
    head, _, diff = path.read_text().partition("\n\n")
    told = dict(line.split(": ", 1) for line in head.splitlines())
    if set(told) != {"Bug", "Caught by", "Seen"}:
        raise ValueError(f"{path.name} must begin with Bug, Caught by and Seen")
    return Mutant(path.stem, told["Bug"], told["Caught by"], told["Seen"], tuple(_hunks(diff)))


def apply(mutant: Mutant, tree: Path) -> None:
    """Put the bug into a tree.

    Raises:
        NoLongerApplies: the patch has to be made again.
    """
    for number, hunk in enumerate(mutant.hunks, 1):
        file = tree / hunk.file
        text = file.read_text() if file.exists() else ""
        found = text.count(hunk.old)
        if found != 1:
            raise NoLongerApplies(
                f"tests/mutants/{mutant.name}.patch, hunk {number}: its lines stand {found} times in {hunk.file}; "
                "make the patch again"
            )
        file.write_text(text.replace(hunk.old, hunk.new))


def restore(mutant: Mutant, tree: Path) -> None:
    """Take the bug out of a tree again; the files get their own times back, so no compiled bug stays valid."""
    for file in {hunk.file for hunk in mutant.hunks}:
        shutil.copy2(ROOT / file, tree / file)


def copy_tree(to: Path) -> Path:
    """Copy what tests need, compiled files included: they are found valid by the time of their sources."""
    for name in _TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            to.mkdir(exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def run_tests(warm: Warm, tree: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run tests in a tree by a Python of their own, and nothing of ours in its environment.

    They have a temporary folder of their own: two runs that tidy the common one up at once get in each other's way.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))
    }
    with tempfile.TemporaryDirectory(prefix="passerelle-mutant-") as folder:
        return warm.run(
            "pytest", "-q", "-rA", *_PLAIN, f"--basetemp={folder}/t", *tests,
            cwd=tree,
            environ={**environment, "PYTHONPATH": str(tree), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            timeout=LIMIT * (1 + len(tests) // 10),
        )  # fmt: skip


def _hunks(diff: str) -> Iterator[Hunk]:
    file = ""
    for part in re.split(r"^(?=--- |@@ )", diff, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        if part.startswith("--- "):
            file = lines[1].removeprefix("+++ b/").strip()
        elif part.startswith("@@ "):
            yield Hunk(file, _side(lines[1:], "-"), _side(lines[1:], "+"))


def _side(lines: Sequence[str], sign: str) -> str:
    return "".join(line[1:] for line in lines if line[0] in (" ", sign))
