"""Links between pages lead to files, and the tests that a page names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, written_pages

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#]+)")
NAMED_FILE = re.compile(r"`((?:engine|channels|deploy|docs|bench)/[\w/-]+\.\w+)`")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(?:\w+::)?(test_\w+))?`")


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    lost = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert lost == []


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert [name for name in NAMED_FILE.findall(page.read_text()) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    for file, name in NAMED_TEST.findall(page.read_text()):
        assert (ROOT / file).is_file(), file
        assert not name or f"def {name}(" in sources_beside(ROOT / file), f"{file} has no {name}"


def sources_beside(file: Path) -> str:
    """Return a test file with the contracts that it may inherit: those of its folder, and the shipped ones."""
    contracts = (*file.parent.glob("contract*.py"), *ROOT.glob("engine/testing/*bound.py"))
    return "".join(path.read_text() for path in (file, *contracts))
