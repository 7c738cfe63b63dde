"""Each seeded bug is caught by the test that its file names, and that test passes without the bug."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mutants.mutant import ROOT, Mutant, NoLongerApplies, apply, copy_tree, mutant_in, run_tests

MUTANTS = [mutant_in(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]
EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
WIDE = 2

Finished = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Finished]]]:
    """Named tests under way: on the clean tree (`""`) and on each mutant that was asked for, two at a time."""
    asked = [
        mutant for mutant in MUTANTS if any(f"[{mutant.name}]" in item.name for item in request.session.items)
    ]

    def mutated(mutant: Mutant) -> Finished:
        tree = copy_tree(tmp_path_factory.mktemp(mutant.name))
        apply(mutant, tree)
        return run_tests(tree, [mutant.caught_by])

    clean = copy_tree(tmp_path_factory.mktemp("clean"))
    with ThreadPoolExecutor(WIDE) as pool:
        named = sorted({mutant.caught_by for mutant in asked})
        yield {
            "": pool.submit(run_tests, clean, named),
            **{mutant.name: pool.submit(mutated, mutant) for mutant in asked},
        }
        pool.shutdown(cancel_futures=True)


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


@EACH
def test_it_is_caught_by_the_named_test(mutant: Mutant, runs: dict[str, Future[Finished]]) -> None:
    clean = runs[""].result()
    assert f"PASSED {mutant.caught_by}" in clean.stdout, f"{mutant.caught_by} fails without any bug"

    found = runs[mutant.name].result()

    assert found.returncode == pytest.ExitCode.TESTS_FAILED, (
        f"{mutant.bug} {mutant.caught_by} does not notice: {found.stdout[-2000:]}{found.stderr[-2000:]}"
    )
    assert f"FAILED {mutant.caught_by}" in found.stdout
    assert mutant.seen in found.stdout, found.stdout[-4000:]


def test_a_patch_whose_lines_are_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "engine" / "runtime").mkdir(parents=True)
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "no-retry")
    with pytest.raises(NoLongerApplies, match=r"no-retry.patch, hunk 1: its lines stand 0 times"):
        apply(mutant, tmp_path)
