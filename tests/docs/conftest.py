"""The program that the shells of the pages find: each command is a fork of a process that has imported the product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.warm.calling import Warm


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `passerelle` in it."""
    paths = (path for part in ("engine", "channels") for path in (ROOT / part).rglob("*.py"))
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    modules = sorted(name.removesuffix(".__init__") for name in names if not name.endswith("__main__"))
    with Warm(*modules) as process:
        yield process.written(tmp_path_factory.mktemp("programs"), "passerelle", "engine.cli:main").parent
