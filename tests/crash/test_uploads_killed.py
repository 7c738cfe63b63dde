"""kill -9 while modalities store by STOW-RS: what 200 or 202 named is there after the restart, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.forking import Forks
from tests.crash.uploading import Verdict, campaign


def _judge(verdict: Verdict, kills: int) -> None:
    print(verdict)
    assert verdict.sound, str(verdict)
    assert verdict.kills == kills
    assert verdict.caught == kills, "something is under way at each kill"
    assert verdict.again >= 1, "a sender had to come again"
    assert min(verdict.answers[200], verdict.answers[202]) >= kills, "whole and partial answers"
    assert verdict.fetched >= 10 * kills


def test_nothing_that_was_named_as_stored_is_lost_by_three_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=3, between=20, seed=1), 3)


@pytest.mark.soak
def test_nothing_that_was_named_as_stored_is_lost_by_thirty_kills(tmp_path: Path, forks: Forks) -> None:
    _judge(campaign(tmp_path, forks, kills=30, between=25, seed=2), 30)
