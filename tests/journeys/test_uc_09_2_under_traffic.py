"""Backup, restore, rollback and reload under 500 messages a second: nothing is lost."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.store import open_store
from engine.store.protocol import Query
from tests.journeys.house import House, Plan, house, webhook
from tests.journeys.traffic import Traffic
from tests.peers.emr import OK, Emr, emr

RATE = 500.0


async def delivered_all(here: House, clinic: Emr, accepted: set[str]) -> None:
    """Wait for everything that was promised, and compare the receiver's own list with it."""
    await here.ended(len(accepted), seconds=60)
    arrived = {request.headers["webhook-id"] for request in clinic.requests}
    assert accepted - arrived == set()
    assert (await here.engine.store.tally()).conserved


@pytest.fixture(params=[3, pytest.param(60, marks=pytest.mark.soak)], ids=["short", "long"])
def seconds(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


async def test_reload_and_rollback(tmp_path: Path, dev_certs: Path, seconds: int) -> None:
    async with emr(dev_certs, name="clinique-abc", script=[OK]) as clinic:
        plan = Plan({"emr": webhook(clinic, "limits: {concurrency: 16}")})
        async with house(tmp_path, dev_certs, plan) as here, Traffic(here, RATE) as traffic:
            route = tmp_path / "routes" / "appointment-to-clinic.yaml"
            text = route.read_text()
            for turn in range(seconds):
                await asyncio.sleep(0.5)  # traffic takes time
                route.write_text(f"{text}tags: [turn-{turn}]\n")
                changes = await here.engine.reloader.reload_route("appointment-to-clinic", author="test")
                assert changes.routes.changed == ("appointment-to-clinic",)
            await here.engine.reloader.roll_back("appointment-to-clinic", author="test")
            await asyncio.sleep(0.5)  # traffic takes time
            await traffic.stop()
            assert traffic.refused == traffic.broken == 0
            print(f"{seconds} reloads, {len(traffic.accepted)} accepted")
            assert len(traffic.accepted) > 100
            await delivered_all(here, clinic, traffic.accepted)


async def test_backup_and_restore(tmp_path: Path, dev_certs: Path, seconds: int) -> None:
    project, copies = tmp_path / "project", tmp_path / "copies"
    project.mkdir()
    async with emr(dev_certs, name="clinique-abc", script=[OK]) as clinic:
        plan = Plan({"emr": webhook(clinic, "limits: {concurrency: 16}")})
        async with house(project, dev_certs, plan) as here, Traffic(here, RATE) as traffic:
            await asyncio.sleep(seconds / 2)  # traffic takes time
            before = set(traffic.accepted)
            await here.engine.store.backup(copies / "one")
            await asyncio.sleep(seconds / 2)  # traffic takes time
            await traffic.stop()
            assert traffic.refused == traffic.broken == 0
            await delivered_all(here, clinic, traffic.accepted)
    database = next((copies / "one").glob("*.db"))
    shutil.copytree(copies / "one", tmp_path / "restored")
    async with open_store(f"sqlite:{tmp_path / 'restored' / database.name}", clock=SystemClock()) as store:
        tally = await store.tally()
        found = await store.messages(Query(limit=100_000))
        verified = await store.journal.verify()
    print(f"{len(before)} accepted before the backup, {len(found)} in it")
    assert tally.conserved
    assert verified.broken_at is None
    assert before - {row.id for row in found} == set()
