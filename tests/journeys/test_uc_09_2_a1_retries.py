"""UC-09.2 A1: the clinic's server fails for a while; the same id again, with the delays that were drawn."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from engine.model import Result, State
from tests.journeys.house import Plan, house, lateness, webhook
from tests.peers.emr import FAILED, OK, Misbehaviour, busy, emr

TOLERANCE = 0.05
"""Seconds that an observed gap may differ from the drawn delay, on a machine that is never late itself."""


async def test_the_first_three_gaps_are_the_delays_that_the_seed_draws(
    tmp_path: Path, dev_certs: Path
) -> None:
    drawn = random.Random(5)
    expected = [drawn.uniform(0, min(4.0, 0.6 * 2**number)) for number in range(3)]
    plan = Plan({}, retry="{backoff: 600ms..4s, for: 1h}")
    async with emr(dev_certs, name="clinique-abc", script=[FAILED, FAILED, FAILED, OK]) as clinic:
        plan.endpoints = {"emr": webhook(clinic)}
        async with house(tmp_path, dev_certs, plan, rng=random.Random(5)) as here, lateness() as late:
            await here.post(here.event())
            requests = await clinic.wait_for_requests(4)
            (row,) = await here.ended()
            attempts = await here.attempts(row)

    planned = [
        (after.started_ms - before.started_ms - before.took_ms) / 1000
        for before, after in itertools.pairwise(attempts)
    ]
    observed = [after.at - before.at for before, after in itertools.pairwise(requests)]
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert [attempt.result for attempt in attempts] == [Result.TRANSIENT] * 3 + [Result.DELIVERED]
    for delay, planned_gap, observed_gap in zip(expected, planned, observed, strict=True):
        assert -0.002 <= planned_gap - delay < TOLERANCE + max(late)
        assert -0.002 <= observed_gap - delay < TOLERANCE + 2 * max(late)


async def test_retry_after_is_honoured(tmp_path: Path, dev_certs: Path) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[busy("1"), OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        await here.post(here.event())
        first, second = await clinic.wait_for_requests(2)
    assert 1.0 <= second.at - first.at < 2.0


async def test_an_answer_after_the_timeout_is_an_unknown_outcome_and_the_id_stays(
    tmp_path: Path, dev_certs: Path
) -> None:
    plan = Plan({}, timeout="500ms")
    async with emr(dev_certs, name="clinique-abc", script=[Misbehaviour.SILENT, OK]) as clinic:
        plan.endpoints = {"emr": webhook(clinic)}
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            first, second = await clinic.wait_for_requests(2)
            (row,) = await here.ended()
            attempts = await here.attempts(row)
    assert row.delivery.state is State.DELIVERED
    assert row.delivery.unknown == 1
    assert attempts[0].result is Result.UNKNOWN
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert len(clinic.requests) <= 1 + row.delivery.unknown
    assert first.connection != second.connection


async def test_a_restart_in_the_middle_of_a_schedule_goes_on_counting_and_is_never_early(
    tmp_path: Path, dev_certs: Path
) -> None:
    plan = Plan({}, retry="{backoff: 1500ms..1500ms, for: 1h}")
    async with emr(dev_certs, name="clinique-abc", script=[FAILED, FAILED, OK]) as clinic:
        plan.endpoints = {"emr": webhook(clinic)}
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            await clinic.wait_for_requests(1)
            before = await here.in_state(State.RETRYING)
            folder_due = before.delivery.due_ms
        async with house(tmp_path, dev_certs, plan) as here:
            (row,) = await here.ended()
            attempts = await here.attempts(row)
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert before.delivery.attempts == 1
    assert attempts[1].started_ms >= folder_due
