"""A message is planned once, unless the store holds what its routes asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.model import Delivery, Message
from engine.runtime.routing.board import Board, Door
from engine.runtime.routing.complements import losses
from engine.runtime.routing.plan import NOTHING_KNOWN, Memories, Plan, Planner
from engine.runtime.routing.program import Program, Routed
from engine.runtime.routing.recalling import Known
from engine.spi import Document
from engine.store.protocol import Query, Store
from tests.runtime.receiving.house import House
from tests.runtime.receiving.house import house as opened
from tests.runtime.receiving.project import assembled
from tests.runtime.receiving.test_mapping_back import (
    CONFIG,
    FILES,
    IN,
    OUT,
    admitted,
    event_of,
    returned,
    settle_and_purge,
)
from tests.runtime.receiving.test_remembering import ANY, ROUTE, learn, newest

TO_FHIR = "route: out\nfrom: door\nsteps: [{map: {mapper: visit, to: fhir}}]\nto: [abc.emr]\n"
IN_TWO_STEPS = """
route: out
from: door
steps:
  - map: {mapper: visit, to: event}
  - map: {mapper: visit, to: fhir}
to: [abc.emr]
"""
STORED = "acknowledge: stored\nsteps:"


@dataclass
class Seen:
    """How often messages were planned, and what the store was asked for on the way."""

    plans: int = 0
    asked: list[object] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    counted = Seen()
    plan, reroute = Planner.plan, Planner.reroute

    def planned(
        self: Planner, message: Message, door: Door, board: Board, known: Known = NOTHING_KNOWN
    ) -> Plan:
        counted.plans += 1
        return plan(self, message, door, board, known)

    def rerouted(
        self: Planner,
        program: Program,
        message: Message,
        document: Document,
        board: Board,
        memories: Memories,
    ) -> Routed:
        counted.plans += 1
        return reroute(self, program, message, document, board, memories)

    monkeypatch.setattr(Planner, "plan", planned)
    monkeypatch.setattr(Planner, "reroute", rerouted)
    return counted


@asynccontextmanager
async def mapping(folder: Path, seen: Seen, *routes: str) -> AsyncIterator[House]:
    async with opened(folder, assembled(folder, *routes, config=CONFIG, files=FILES)) as inside:
        watch(inside.store, seen)
        yield inside


def watch(store: Store, seen: Seen) -> None:
    """Note each look at messages by their keys or their ids."""
    by_key, by_id = store.messages, store.message

    async def messages(query: Query) -> Any:
        seen.asked.append(query.key)
        return await by_key(query)

    async def message(id: str) -> Any:
        seen.asked.append(id)
        return await by_id(id)

    vars(store)["messages"], vars(store)["message"] = messages, message


async def kept_stored(inside: House, event: Mapping[str, Any]) -> Delivery:
    """Hand an event to a route that stores it first; return its duty."""
    await inside.post(event, listener="events", selector="POST /events")
    [row] = [row for row in await inside.rows() if row.delivery.kind == "route"]
    return row.delivery


@pytest.mark.parametrize("route", [TO_FHIR, IN_TWO_STEPS], ids=["one step", "two steps"])
async def test_the_event_that_a_message_just_became_is_not_looked_for(
    tmp_path: Path, seen: Seen, route: str
) -> None:
    async with mapping(tmp_path, seen, route) as inside:
        await admitted(inside)
        assert (await event_of(inside))["resourceType"] == "Patient"
        assert (seen.plans, seen.asked) == (1, [])


async def test_a_message_that_is_routed_from_the_store_still_looks(tmp_path: Path, seen: Seen) -> None:
    async with mapping(tmp_path, seen, TO_FHIR.replace("steps:", STORED)) as inside:
        await admitted(inside)
        duty = await inside.only()
        seen.plans = 0
        await inside.route(duty)
        assert seen.plans == 1
        assert ("event", duty.message_id) in seen.asked


async def test_where_nothing_is_found_the_first_plan_holds(tmp_path: Path, seen: Seen) -> None:
    async with mapping(tmp_path, seen, IN, OUT) as inside:
        await admitted(inside)
        event = {**await event_of(inside), "id": "never-seen"}
        seen.plans = 0
        assert b"Tremblay" in await returned(inside, event)
        assert ("event", "never-seen") in seen.asked
        assert seen.plans == 1


async def test_where_something_is_found_a_second_plan_has_it(tmp_path: Path, seen: Seen) -> None:
    async with mapping(tmp_path, seen, IN, OUT) as inside:
        await admitted(inside)
        event = await event_of(inside)
        seen.plans = 0
        assert b"ZPA|secret" in await returned(inside, event)
        assert seen.plans == 2


async def test_that_a_complement_is_gone_is_something(tmp_path: Path, seen: Seen) -> None:
    async with mapping(tmp_path, seen, IN, OUT) as inside:
        await admitted(inside)
        event = await event_of(inside)
        await settle_and_purge(inside, (await inside.rows(endpoint="abc.emr"))[0].delivery.sequence)
        await returned(inside, event)
        sent = (await inside.rows(endpoint="hospital.his"))[-1].delivery
        [report] = await losses(inside.store, sent.message)
        assert "kept no more" in report["remark"]


async def test_what_was_stored_first_is_routed_once_where_nothing_is_found(
    tmp_path: Path, seen: Seen
) -> None:
    async with mapping(tmp_path, seen, IN, OUT.replace("steps:", STORED)) as inside:
        await admitted(inside)
        duty = await kept_stored(inside, {**await event_of(inside), "id": "never-seen"})
        seen.plans = 0
        await inside.route(duty)
        assert seen.plans == 1
        assert b"Tremblay" in await inside.sent(await inside.only(endpoint="hospital.his"))


async def test_what_was_stored_first_is_routed_again_with_what_is_found(tmp_path: Path, seen: Seen) -> None:
    async with mapping(tmp_path, seen, IN, OUT.replace("steps:", STORED)) as inside:
        await admitted(inside)
        duty = await kept_stored(inside, await event_of(inside))
        seen.plans = 0
        await inside.route(duty)
        assert seen.plans == 2
        assert b"ZPA|secret" in await inside.sent(await inside.only(endpoint="hospital.his"))


async def test_a_key_of_which_nothing_is_remembered_is_planned_once(tmp_path: Path, seen: Seen) -> None:
    async with opened(tmp_path, assembled(tmp_path, ROUTE)) as inside:
        await inside.post({"mrn": "17"}, selector=ANY)
        assert seen.plans == 1
        await learn(inside, await newest(inside), "4711")
        await inside.post({"mrn": "17"}, selector=ANY)
        assert (await inside.body(await newest(inside)))["known"] == "4711"
        assert seen.plans == 3


async def test_a_refusal_that_knew_nothing_is_judged_again_from_the_store(tmp_path: Path, seen: Seen) -> None:
    strict = ROUTE.replace(
        "steps: [",
        "steps: [{require: {that: 'memory.his_id != \"\" or msg.new', at: mrn, message: unknown}}, ",
    ).replace("order_by", "acknowledge: stored\norder_by")
    async with opened(tmp_path, assembled(tmp_path, strict)) as inside:
        await inside.post({"mrn": "17", "new": True}, selector=ANY)
        (sent,) = (await inside.route(await newest(inside))).ready
        await learn(inside, sent, "4711")
        await inside.post({"mrn": "17", "new": False}, selector=ANY)
        (again,) = (await inside.route(await newest(inside))).ready
        assert (await inside.body(again))["known"] == "4711"
