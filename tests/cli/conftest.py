"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.project import write_project
from tests.cli.invoking import Shell, Supervised, shell_in, supervised


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder."""
    return shell_in(tmp_path, capsys, monkeypatch)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """One running engine for the tests of a module; each test uses ids of its own."""
    folder = tmp_path_factory.mktemp("project")
    # the module's dead letters would open the breaker of one endpoint, and the tests after wait for its 30 s
    write_project(folder, extra="defaults: {breaker: {failures: 1000}}\n")
    with supervised(folder) as running:
        yield running


@pytest.fixture
def call(engine: Supervised, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in the running engine's folder."""
    return shell_in(engine.folder, capsys, monkeypatch)
