"""A start on a disk without room ends with 74 and says why; with room it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.exits import Exit
from tests.api.project import write_project
from tests.cli.invoking import Ended, passerelle
from tests.disk.mounting import fill, mounted


def _nothing(_: Path) -> None:
    """The folder is empty: the lock file is the first to be written."""


def _lock_of_another(var: Path) -> None:
    (var / "passerelle.db.lock").write_bytes(b"4711\n")


def _names_only(var: Path) -> None:
    """What a start made that could write nothing."""
    for name in ("passerelle.db", "passerelle.db.lock"):
        (var / name).touch()


@pytest.mark.parametrize("before", [_nothing, _lock_of_another, _names_only])
def test_a_start_on_a_full_disk_ends_with_74_and_one_line(
    tmp_path: Path, before: Callable[[Path], None]
) -> None:
    write_project(tmp_path)
    with mounted(tmp_path / "var", "8m") as var:
        before(var)
        filler = fill(var)
        ended = passerelle(tmp_path, "run", "--config", "config.yaml")
        assert (ended.code, _told(ended)) == (Exit.DISK, True), ended.err
        filler.unlink()
        again = passerelle(tmp_path, "audit", "verify")
    assert again.code in (Exit.OK, Exit.NOTHING), again.err


def _told(ended: Ended) -> bool:
    lines = ended.err.splitlines()
    return bool(lines) and "Traceback" not in ended.err and "No space left on device" in lines[-1]
