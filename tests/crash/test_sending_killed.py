"""kill -9 while images are sent on: each that was accepted arrives, twice only where an outcome is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.archiving import Outcome, campaign
from tests.crash.forking import Forks


def _judge(outcome: Outcome, kills: int) -> None:
    print(outcome)
    assert outcome.sound, str(outcome)
    assert outcome.kills == kills
    assert outcome.caught == kills, "something is on its way at each kill"
    assert outcome.unknown >= 1, "a kill left an outcome unknown"


async def test_nothing_that_was_accepted_is_lost_by_three_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(await campaign(tmp_path, forks, kills=3, between=15, seed=1), 3)


@pytest.mark.soak
async def test_nothing_that_was_accepted_is_lost_by_a_hundred_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(await campaign(tmp_path, forks, kills=100, between=30, seed=2), 100)
