"""kill -9 while modalities store: every instance that got success is there, every study is told as it is, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.forking import Forks
from tests.crash.radiology import Verdict, campaign


def _judge(verdict: Verdict, kills: int) -> None:
    print(verdict)
    assert verdict.sound, str(verdict)
    assert verdict.kills == kills
    assert verdict.caught == kills, "something is under way at each kill"
    assert verdict.again >= 1, "a sender had to come again"


def test_nothing_that_got_success_is_lost_by_four_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=4, between=20, seed=1), 4)


@pytest.mark.soak
def test_nothing_that_got_success_is_lost_by_fifty_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=50, between=25, seed=2), 50)
