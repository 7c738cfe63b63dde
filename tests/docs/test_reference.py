"""The reference in docs/ is what `make docs` makes of the models and verbs of today."""

from __future__ import annotations

import pytest

from engine.cli.schema import pages
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGES = pages()
MEASURED = {"mapper-coverage.md"}
"""Pages that `make coverage-report` makes of messages; they are as fresh as the last run."""


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_fresh(name: str) -> None:
    path = REFERENCE / name
    assert path.exists() and path.read_text(encoding="utf-8") == PAGES[name], (
        f"{name} is stale: run `make docs`"
    )


def test_no_page_is_left_of_what_is_gone() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES) | MEASURED
