"""Engines that are killed while orders come: the worklist says what was acknowledged, also when built anew."""

from __future__ import annotations

from pathlib import Path

from tests.crash.forking import Forks
from tests.crash.scheduling import campaign


def test_no_kill_changes_what_a_worklist_says(tmp_path: Path, forks: Forks) -> None:
    verdict = campaign(tmp_path, forks, kills=2, between=8, seed=3)

    assert verdict.wrong == []
    assert verdict.live == verdict.anew
    assert (verdict.messages, verdict.waiting) == (24, 0)
    assert len(verdict.live) >= 6
