"""Engines that are killed while orders come: the worklist says what was acknowledged, also when built anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.forking import Forks
from tests.crash.scheduling import Verdict, campaign


def _judge(verdict: Verdict, kills: int, messages: int) -> None:
    print(
        f"kills {verdict.kills}, acknowledged {verdict.messages}, steps {len(verdict.live)}, "
        f"wrong {len(verdict.wrong)}, the same when built anew: {verdict.live == verdict.anew}"
    )
    assert verdict.wrong == []
    assert verdict.live == verdict.anew
    assert (verdict.kills, verdict.messages, verdict.waiting) == (kills, messages, 0)
    assert len(verdict.live) >= 6


def test_no_kill_changes_what_a_worklist_says(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=2, between=8, seed=3), 2, 24)


@pytest.mark.soak
def test_thirty_kills_change_nothing_of_what_a_worklist_says(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=30, between=8, seed=4), 30, 248)
