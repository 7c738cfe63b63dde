"""kill -9 while modalities tell what they perform: what N-CREATE and N-SET said success of stands, told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.forking import Forks
from tests.crash.performing import Verdict, campaign


def _judge(verdict: Verdict, kills: int) -> None:
    print(verdict)
    assert verdict.sound, str(verdict)
    assert verdict.kills == kills
    assert verdict.caught == kills, "something is under way at each kill"
    assert verdict.again >= 1, "a modality had to come again"
    assert verdict.looked_at >= 3 * kills


def test_no_step_falls_back_by_three_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=3, between=20, seed=1), 3)


@pytest.mark.soak
def test_no_step_falls_back_by_thirty_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=30, between=20, seed=2), 30)
