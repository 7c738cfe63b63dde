"""kill -9 at random moments under traffic, with a receiver that fails one attempt in five (G1 to G5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.campaign import MLLP, UNFINISHED, Campaign, Outcome, Plan
from tests.crash.forking import Forks


def _judge(outcome: Outcome, kills: int, accepted: int) -> None:
    print(outcome)
    assert outcome.report.sound, str(outcome)
    assert outcome.report.pending == 0
    assert outcome.report.faults == kills
    assert outcome.report.accepted >= accepted
    assert min(outcome.unacknowledged) >= 1
    assert min(outcome.unfinished) >= UNFINISHED
    assert outcome.failed_share >= 0.15  # of 0.2 meant; a hundredth is one standard deviation of ten kills
    assert outcome.exit_code == 0


async def test_nothing_is_lost_by_ten_kills(tmp_path: Path, forks: Forks) -> None:
    outcome = await Campaign(tmp_path, forks, Plan(kills=10, accepted_between=100)).run()
    _judge(outcome, kills=10, accepted=1_000)


async def test_nothing_is_lost_over_mllp_by_six_kills(tmp_path: Path, forks: Forks) -> None:
    """Senders resend what was not acknowledged; the receiver answers AE, cuts, or takes a message and says nothing."""
    outcome = await Campaign(tmp_path, forks, Plan(kills=6, accepted_between=100, seed=3), MLLP).run()
    _judge(outcome, kills=6, accepted=600)


@pytest.mark.soak
async def test_nothing_is_lost_by_two_hundred_kills(tmp_path: Path, forks: Forks) -> None:
    outcome = await Campaign(tmp_path, forks, Plan(kills=200, accepted_between=120, seed=2)).run()
    _judge(outcome, kills=200, accepted=20_000)


@pytest.mark.soak
async def test_nothing_is_lost_over_mllp_by_two_hundred_kills(tmp_path: Path, forks: Forks) -> None:
    outcome = await Campaign(tmp_path, forks, Plan(kills=200, accepted_between=120, seed=4), MLLP).run()
    _judge(outcome, kills=200, accepted=20_000)
