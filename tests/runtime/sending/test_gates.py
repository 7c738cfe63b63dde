"""What people close: durable, free of charge, and over when they say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.runtime.sending.gates import Gates, Subject
from engine.runtime.sending.policy import EndpointPolicy, Maintenance
from engine.store import open_store
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.sending.house import NINE
from tests.runtime.sending.values import HOUR, delivery

EMR = EndpointPolicy("clinic.emr", "clinic")


@asynccontextmanager
async def gates(folder: Path, clock: VirtualClock) -> AsyncIterator[Gates]:
    async with open_store(f"sqlite:{folder / 'store.db'}", clock=clock) as store:
        found = Gates(store.records, clock)
        await found.load()
        yield found


async def test_closed_gates_outlive_the_process(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    async with gates(tmp_path, clock) as before:
        await before.pause(Subject.ROUTE, "appointments", actor="alice", reason="upgrade")
        await before.hold("clinic", clock.now_ms() + HOUR, actor="bob")
        await before.disable("other.emr", reason="410")
    async with gates(tmp_path, clock) as after:
        assert {(gate.kind, gate.subject, gate.actor) for gate in after.closed()} == {
            ("pause", "route:appointments", "alice"),
            ("hold", "clinic", "bob"),
            ("disabled", "other.emr", "engine"),
        }
        assert after.disabled("other.emr")


@pytest.mark.parametrize(
    ("subject", "name"),
    [(Subject.ROUTE, "appointments"), (Subject.DESTINATION, "appointments/emr")],
)
async def test_a_pause_of_route_or_destination_keeps_its_deliveries(
    tmp_path: Path, subject: Subject, name: str
) -> None:
    async with gates(tmp_path, VirtualClock(NINE)) as found:
        await found.pause(subject, name, actor="alice")
        assert found.at_delivery(delivery()) is not None
        assert found.at_delivery(delivery(route="other")) is None
        assert found.at_endpoint(EMR, 0) is None
        assert await found.resume(subject, name, actor="alice")
        assert found.at_delivery(delivery()) is None
        assert not await found.resume(subject, name, actor="alice")


async def test_a_pause_of_an_endpoint_keeps_the_endpoint(tmp_path: Path) -> None:
    async with gates(tmp_path, VirtualClock(NINE)) as found:
        await found.pause(Subject.ENDPOINT, "clinic.emr", actor="alice")
        assert found.at_endpoint(EMR, 0) is not None
        assert found.at_endpoint(EndpointPolicy("clinic.queue", "clinic"), 0) is None


async def test_a_hold_keeps_all_endpoints_of_a_partner_until_its_end(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    async with gates(tmp_path, clock) as found:
        await found.hold("clinic", clock.now_ms() + HOUR, actor="alice")
        gate = found.at_endpoint(EMR, clock.now_ms())
        assert gate is not None and gate.until_ms == clock.now_ms() + HOUR
        clock.advance_to(clock.now_ms() + HOUR)
        assert found.closed() == []
        assert found.at_endpoint(EMR, clock.now_ms()) is None


async def test_who_closes_and_opens_is_journalled(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    async with open_store(f"sqlite:{tmp_path / 'store.db'}", clock=clock) as store:
        found = Gates(store.records, clock)
        await found.pause(Subject.ENDPOINT, "clinic.emr", actor="alice")
        await found.resume(Subject.ENDPOINT, "clinic.emr", actor="bob")
        rows = await store.journal.rows()
        assert [(row.action, row.actor) for row in rows] == [("pause", "alice"), ("resume", "bob")]


async def test_every_change_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    async with gates(tmp_path, VirtualClock(NINE)) as found:
        found.changed = lambda: told.append(1)
        await found.hold("clinic", None, actor="alice")
        await found.release("clinic", actor="alice")
        await found.disable("clinic.emr", reason="410")
        await found.enable("clinic.emr", actor="alice")
    assert len(told) == 4


async def test_maintenance_is_a_gate_with_an_end(tmp_path: Path) -> None:
    zone = ZoneInfo("America/Toronto")
    policy = EndpointPolicy(
        "clinic.emr",
        "clinic",
        maintenance=(Maintenance(frozenset({1}), 22 * 60, 2 * 60, "America/Toronto", 5.0),),
    )
    clock = VirtualClock(datetime(2026, 11, 3, 21, 59, tzinfo=zone))
    async with gates(tmp_path, clock) as found:
        assert found.at_endpoint(policy, clock.now_ms()) is None
        clock.advance_to(clock.now_ms() + 60_000)
        gate = found.at_endpoint(policy, clock.now_ms())
        assert gate is not None
        assert (gate.kind, gate.catch_up) == ("maintenance", 5.0)
        assert gate.until_ms == clock.now_ms() + 4 * HOUR
        clock.advance_to(clock.now_ms() + 4 * HOUR)
        assert found.at_endpoint(policy, clock.now_ms()) is None


async def test_closed_time_counts_once_however_many_gates_were_closed(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    began = clock.now_ms()
    async with gates(tmp_path, clock) as found:
        assert found.closed_ms(delivery(), EMR, began, began + HOUR) == 0
        clock.advance_to(began + 10)
        await found.pause(Subject.ENDPOINT, "clinic.emr", actor="a")
        clock.advance_to(began + 20)
        await found.hold("clinic", began + 60, actor="a")
        clock.advance_to(began + 40)
        await found.resume(Subject.ENDPOINT, "clinic.emr", actor="a")
        clock.advance_to(began + 100)
        assert found.at_endpoint(EMR, clock.now_ms()) is None
        assert found.closed_ms(delivery(), EMR, began, began + 100) == 50
        assert found.closed_ms(delivery(), EMR, began + 30, began + 100) == 30
        await found.disable("clinic.emr", reason="410")
        clock.advance_to(began + 107)
        assert found.closed_ms(delivery(), EMR, began, began + 107) == 57
        assert found.closed_ms(delivery(), EndpointPolicy("other.x", "other"), began, began + 107) == 0


async def test_the_time_of_ended_pauses_and_holds_outlives_the_process(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    began = clock.now_ms()
    async with gates(tmp_path, clock) as before:
        await before.pause(Subject.ROUTE, "appointments", actor="alice")
        clock.advance_to(began + 100)
        await before.resume(Subject.ROUTE, "appointments", actor="alice")
        clock.advance_to(began + 200)
        await before.hold("clinic", began + 250, actor="bob")
        clock.advance_to(began + 300)
        assert before.closed_ms(delivery(), EMR, began, began + 300) >= 100
    async with gates(tmp_path, clock) as after:
        assert after.closed_ms(delivery(), EMR, began, began + 300) == 150
        assert after.closed_ms(delivery(route="other"), EMR, began, began + 300) == 50
