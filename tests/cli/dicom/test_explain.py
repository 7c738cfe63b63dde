"""`explain` of a route for images: each step's changes, attribute by attribute."""

from __future__ import annotations

import shutil

from engine.cli.exits import Exit
from tests.cli.invoking import ROOT, Shell


def test_explain_shows_what_each_step_does_to_an_instance(shell: Shell) -> None:
    shutil.copytree(ROOT / "routes/research", shell.folder, dirs_exist_ok=True)
    ended = shell("explain", "images", "samples/ct.dcm")
    lines = [line.strip() for line in ended.out.splitlines()]
    assert ended.code == Exit.OK
    assert "PatientID LO 4711" in lines
    at = lines.index("PatientID")
    assert lines[at + 1 : at + 3] == ["- LO 4711", "+ LO HSJ-4711"]
    assert "+ CS YES" in lines and "- PN Essai^Zoé" in lines
