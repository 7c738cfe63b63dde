"""Events of the hospital reach whoever subscribed to them, and nobody else; a merge tells both records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.model import State
from tests.journeys.events import (
    OPERATIONS,
    admission,
    booking,
    event_in,
    freed,
    hooks,
    merge,
    only_form,
    shipped,
)
from tests.journeys.hospital import Hospital, hospital
from tests.peers.emr import FAILED, OK, Emr, emr

CONFIG = """
listen:
  {door}: {{mllp: "127.0.0.1:0", partner: hsj, zone: America/Toronto}}
partners:
  hsj: {{}}
  one: {{endpoints: {{emr: {one}}}, subscriptions: [{first}]}}
  two: {{endpoints: {{emr: {two}}}, subscriptions: [{second}]}}
  three: {{endpoints: {{emr: {three}}}, subscriptions: [{third}]}}
  operations: {{endpoints: {{alerts: {{inbox: operations}}}}}}
"""
NOBODY = "{events: user-created, endpoint: emr}"


@asynccontextmanager
async def town(
    folder: Path, door: str, route: str, mapper: str, first: str, second: str = NOBODY, third: str = NOBODY
) -> AsyncIterator[tuple[Hospital, Emr, Emr, Emr]]:
    """Run one shipped route and the one that delivers, with three partners and what each subscribes to."""
    routes = shipped(route, "deliver")
    routes["deliver"] = only_form(routes["deliver"], mapper)
    async with emr(None, script=[OK]) as one, emr(None, script=[OK]) as two, emr(None, script=[OK]) as three:
        config = CONFIG.format(
            door=door,
            one=hooks(one),
            two=hooks(two),
            three=hooks(three),
            first=first,
            second=second,
            third=third,
        )
        async with hospital(folder, config + OPERATIONS, routes) as engine:
            yield engine, one, two, three


async def test_three_subscribers_get_what_their_filters_say(tmp_path: Path) -> None:
    changes = "{events: [appointment-modified, appointment-cancelled], endpoint: emr}"
    cardio = "{endpoint: emr, when: 'msg.locations[0].location.unit == \"CARD\"'}"
    async with town(
        tmp_path, "schedule", "appointments", "appointment", "{endpoint: emr}", changes, cardio
    ) as (engine, everything, changed, cardiology):
        await engine.sent(
            "schedule",
            booking("A1", appointment="R1"),
            booking("A2", appointment="R2", unit="CARD"),
            booking("A3", appointment="R1", trigger="S15", status="Cancelled"),
        )
        await engine.ended(5)
    booked, cancelled = "appointment-booked", "appointment-cancelled"
    assert sorted(event_in(each)["type"] for each in everything.requests) == [booked, booked, cancelled]
    assert [event_in(each)["type"] for each in changed.requests] == [cancelled]
    assert [event_in(each)["data"]["appointment"]["id"] for each in cardiology.requests] == ["R2"]


async def test_a_time_that_is_free_again_reaches_those_who_wait_for_it(tmp_path: Path) -> None:
    imaging = "{events: slot-freed, endpoint: emr, when: 'msg.locations[0].location.unit == \"IMG\"'}"
    booked = "{events: appointment-booked, endpoint: emr}"
    async with town(
        tmp_path,
        "schedule",
        "appointments",
        "appointment",
        "{events: slot-freed, endpoint: emr}",
        imaging,
        booked,
    ) as (engine, everything, department, others):
        await engine.sent("schedule", freed("A1", unit="CLIN"), freed("A2", unit="IMG"))
        await engine.ended(3)
    assert [event_in(each)["type"] for each in everything.requests] == ["slot-freed", "slot-freed"]
    [told] = map(event_in, department.requests)
    assert (told["subject"], told["data"]["kind"]) == ("PLAGE-IMG", "slot-freed")
    assert told["data"]["appointment"]["start"] == "2026-12-03T08:00:00-05:00"
    assert others.requests == []


async def test_a_subscriber_that_is_down_holds_nobody_else(tmp_path: Path) -> None:
    async with town(
        tmp_path, "schedule", "appointments", "appointment", "{endpoint: emr}", "{endpoint: emr}"
    ) as (engine, _, two, _):
        two.script = [FAILED, FAILED, OK]
        await engine.sent("schedule", booking("A1"))
        rows = await engine.ended(2)
        attempts = {row.delivery.endpoint: row.delivery.attempts for row in rows}
    assert {row.delivery.state for row in rows} == {State.DELIVERED}
    assert attempts == {"one.emr": 1, "two.emr": 3}


async def test_a_merge_tells_both_records(tmp_path: Path) -> None:
    async with town(tmp_path, "adt", "admissions", "none", "{endpoint: emr}") as (engine, one, _, _):
        await engine.sent("adt", admission("A1", mrn="9999"), merge("A2", mrn="1234567", gone="9999"))
        await engine.ended(2)
    registered, merged = map(event_in, one.requests)
    assert (registered["type"], merged["type"]) == ("patient-registered", "patient-merged")
    assert merged["data"]["patient"]["identifiers"][0]["value"] == "1234567"
    assert merged["data"]["merged"]["identifiers"][0]["value"] == "9999"


@pytest.mark.parametrize("kind", ["ADT^A99", "ADT^A17"])
async def test_what_no_route_takes_is_told_to_its_sender(tmp_path: Path, kind: str) -> None:
    async with town(tmp_path, "adt", "admissions", "none", "{endpoint: emr}") as (engine, one, _, _):
        wrong = admission("A1").replace(b"ADT^A01^ADT_A01", kind.encode())
        [(code, _)] = await engine.sent("adt", wrong)
    assert code == "AR"
    assert one.requests == []
