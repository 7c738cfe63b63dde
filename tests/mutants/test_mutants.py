"""Each seeded bug is caught by the test that its file names, and that test passes without the bug."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from tests.mutants.mutant import (
    IMPORTED,
    ROOT,
    Mutant,
    NoLongerApplies,
    apply,
    copy_tree,
    mutant_in,
    restore,
    run_tests,
)
from tests.warm.calling import Warm

MUTANTS = [mutant_in(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]
EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


Told = Mapping[str, Future[subprocess.CompletedProcess[str]]]

TREES = 3
"""Mutants tried at once: some are only noticed by a wait that ends."""


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    """A process that has imported what each run of pytest would."""
    with Warm(*IMPORTED) as process:
        yield process


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product and its tests, which one bug after the other is put into and taken out of."""
    return copy_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, warm: Warm, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """What its test says of each mutant that is asked about here; they are tried side by side, a tree for each."""
    asked = {
        item.callspec.id
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == test_it_is_caught_by_the_named_test.__name__
    }
    trees: Queue[Path] = Queue()
    trees.put(tree)
    for _ in range(TREES - 1):
        trees.put(shutil.copytree(tree, tmp_path_factory.mktemp("trees") / "tree"))
    with ThreadPoolExecutor(TREES) as pool:
        yield {
            mutant.name: pool.submit(_tried, mutant, warm, trees)
            for mutant in MUTANTS
            if mutant.name in asked
        }
        pool.shutdown(cancel_futures=True)


def _tried(mutant: Mutant, warm: Warm, trees: Queue[Path]) -> subprocess.CompletedProcess[str]:
    tree = trees.get_nowait()
    try:
        apply(mutant, tree)
        return run_tests(warm, tree, [mutant.caught_by])
    finally:
        restore(mutant, tree)
        trees.put(tree)


def test_the_page_on_guarantees_names_every_bug_beside_its_test() -> None:
    page = (ROOT / "docs" / "explanation" / "guarantees.md").read_text()
    assert len(MUTANTS) >= 17
    for mutant in MUTANTS:
        (line,) = (line for line in page.splitlines() if f"`{mutant.name}`" in line)
        assert mutant.caught_by.partition("::")[0] in line, mutant.name


@EACH
def test_its_patch_applies(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.hunks
    for hunk in mutant.hunks:
        (tmp_path / hunk.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / hunk.file, tmp_path / hunk.file)
    apply(mutant, tmp_path)


def test_the_named_tests_pass_without_any_bug(warm: Warm, tree: Path) -> None:
    named = sorted({mutant.caught_by for mutant in MUTANTS})
    found = run_tests(warm, tree, named)
    assert [test for test in named if f"PASSED {test}" not in found.stdout] == [], found.stdout[-4000:]


@EACH
def test_it_is_caught_by_the_named_test(mutant: Mutant, told: Told) -> None:
    found = told[mutant.name].result()
    assert found.returncode == pytest.ExitCode.TESTS_FAILED, (
        f"{mutant.bug} {mutant.caught_by} does not notice: {found.stdout[-4000:]}"
    )
    assert f"FAILED {mutant.caught_by}" in found.stdout
    assert mutant.seen in found.stdout, found.stdout[-4000:]


def test_a_bug_is_taken_out_again(tree: Path) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "no-retry")
    apply(mutant, tree)
    restore(mutant, tree)
    for hunk in mutant.hunks:
        assert (tree / hunk.file).read_bytes() == (ROOT / hunk.file).read_bytes()
        assert (tree / hunk.file).stat().st_mtime_ns == (ROOT / hunk.file).stat().st_mtime_ns


def test_a_patch_whose_lines_are_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "engine" / "runtime").mkdir(parents=True)
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "no-retry")
    with pytest.raises(NoLongerApplies, match=r"no-retry.patch, hunk 1: its lines stand 0 times"):
        apply(mutant, tmp_path)
