"""UC-09.2, order: each appointment's events arrive in order, and three that fail hold nobody else up."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path

from tests.journeys.house import Plan, house, webhook
from tests.peers.emr import FAILED, OK, Answer, Received, emr

KEYS = 200
EACH = 50
FAILING = frozenset({"RDV-7", "RDV-70", "RDV-170"})
SUPERSEDE = "    supersede: {version: source.appointment.version, kind: keep_first}\n"


def answer(request: Received) -> Answer:
    return FAILED if json.loads(request.body)["appointment"]["id"] in FAILING else OK


async def test_two_hundred_keys_keep_their_order_beside_three_that_fail(
    tmp_path: Path, dev_certs: Path
) -> None:
    plan = Plan({}, retry="{backoff: 1s..5s, for: 1h}", route=lambda text: text.replace(SUPERSEDE, ""))
    async with emr(dev_certs, name="clinique-abc", script=answer) as clinic:
        plan.endpoints = {"emr": webhook(clinic, "limits: {concurrency: 16}, breaker: {failures: 1000000}")}
        async with house(tmp_path, dev_certs, plan) as here:
            for version in range(1, EACH + 1):
                events = [here.event(appointment=f"RDV-{key}", version=version) for key in range(KEYS)]
                answers = await asyncio.gather(*(here.post(event) for event in events))
                assert {status for status, _ in answers} == {202}
            healthy = (KEYS - len(FAILING)) * EACH
            assert len(await here.ended(healthy, seconds=400)) == healthy

    seen: dict[str, list[int]] = defaultdict(list)
    for request in clinic.requests:
        appointment = json.loads(request.body)["appointment"]
        seen[appointment["id"]].append(appointment["version"])
    stuck = {key: versions for key, versions in seen.items() if key in FAILING}
    fine = {key: versions for key, versions in seen.items() if key not in FAILING}
    assert len(fine) == KEYS - len(FAILING)
    assert all(versions == list(range(1, EACH + 1)) for versions in fine.values())
    assert all(set(versions) == {1} for versions in stuck.values())
