"""UC-09.2: what people close on purpose spends no attempt, alerts nobody, and goes on afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model import State
from engine.runtime.sending.gates import Subject
from tests.journeys.house import House, Plan, house, webhook
from tests.peers.emr import OK, emr


async def close(here: House, what: str) -> None:
    gates = here.engine.gates
    if what == "route":
        await gates.pause(Subject.ROUTE, "appointment-to-clinic", actor="test")
    elif what == "endpoint":
        await gates.pause(Subject.ENDPOINT, "clinique-abc.emr", actor="test")
    else:
        await gates.hold("clinique-abc", None, actor="test")


async def reopen(here: House, what: str) -> None:
    gates = here.engine.gates
    if what == "route":
        await gates.resume(Subject.ROUTE, "appointment-to-clinic", actor="test")
    elif what == "endpoint":
        await gates.resume(Subject.ENDPOINT, "clinique-abc.emr", actor="test")
    else:
        await gates.release("clinique-abc", actor="test")


@pytest.mark.parametrize("what", ["route", "endpoint", "partner"])
async def test_it_waits_without_an_attempt_and_survives_a_restart(
    tmp_path: Path, dev_certs: Path, what: str
) -> None:
    async with emr(dev_certs, name="clinique-abc", script=[OK]) as clinic:
        plan = Plan({"emr": webhook(clinic)})
        async with house(tmp_path, dev_certs, plan) as here:
            await close(here, what)
            await here.post(here.event())
        async with house(tmp_path, dev_certs, plan) as here:
            await here.engine.dispatcher.wait_idle()
            (waiting,) = await here.deliveries()
            assert waiting.delivery.state is State.PENDING
            assert waiting.delivery.attempts == 0
            assert clinic.requests == []
            await reopen(here, what)
            (row,) = await here.ended()
            told = await here.told()
    assert row.delivery.state is State.DELIVERED
    assert row.delivery.attempts == 1
    assert told == []


async def test_a_maintenance_window_is_a_gate(tmp_path: Path, dev_certs: Path) -> None:
    async with emr(dev_certs, name="clinique-abc", script=[OK]) as clinic:
        plan = Plan({"emr": webhook(clinic)})
        config = plan.write(tmp_path, dev_certs, 0)
        permit = '    identifiers: {permit: "01234"}\n'
        windows = "    maintenance: [{every: daily 00:00-23:59}, {every: daily 23:00-01:00}]\n"
        config.write_text(config.read_text().replace(permit, permit + windows))
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            await here.engine.dispatcher.wait_idle()
            (waiting,) = await here.deliveries()
            (status,) = [
                each for each in here.engine.dispatcher.endpoint_status() if each.name == "clinique-abc.emr"
            ]
    assert waiting.delivery.attempts == 0
    assert status.gate is not None
    assert status.gate.kind == "maintenance"
