"""Fixtures of the deployment's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invoking import Shell, shell_in


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder."""
    return shell_in(tmp_path, capsys, monkeypatch)
