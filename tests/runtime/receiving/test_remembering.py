"""What a partner's answer taught, in later messages of the same ordering key: routed at the door, or from the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.model import Delivery, Hop
from tests.runtime.receiving.house import House, house
from tests.runtime.receiving.project import assembled, load, project
from tests.runtime.sending.values import delivery
from tests.store.making import settled

ANY = "POST /v1/any"
ROUTE = """
route: first
from: {public: POST /v1/any}
order_by: [msg.mrn, msg.merged]
steps: [{set: {known: "{memory.his_id}"}}]
to: [{endpoint: clinique-abc.emr, remember: {his_id: reply.id}, on_reply: [{when: reply.busy, hold: 15m}]}]
"""


@asynccontextmanager
async def routing(folder: Path, *routes: str) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, *routes)) as opened:
        yield opened


async def learn(inside: House, delivery: Delivery, value: str) -> None:
    await inside.store.settle(settled(delivery, remember=(("his_id", value),)))


async def newest(inside: House) -> Delivery:
    return (await inside.rows())[-1].delivery


async def test_a_later_message_of_the_same_key_knows_what_was_learnt(tmp_path: Path) -> None:
    async with routing(tmp_path, ROUTE) as inside:
        await inside.post({"mrn": "17"}, selector=ANY)
        first = await newest(inside)
        assert (await inside.body(first))["known"] == ""
        await learn(inside, first, "4711")
        await inside.post({"mrn": "17"}, selector=ANY)
        assert (await inside.body(await newest(inside)))["known"] == "4711"
        await inside.post({"mrn": "18"}, selector=ANY)
        assert (await inside.body(await newest(inside)))["known"] == ""


async def test_a_message_without_a_key_remembers_nothing_and_is_routed(tmp_path: Path) -> None:
    async with routing(tmp_path, ROUTE) as inside:
        await inside.post({"n": 1}, selector=ANY)
        assert (await inside.body(await newest(inside)))["known"] == ""


async def test_what_is_routed_from_the_store_knows_it_too(tmp_path: Path) -> None:
    later = ROUTE.replace("order_by", "acknowledge: stored\norder_by")
    async with routing(tmp_path, later) as inside:
        for value in ("", "4711"):
            await inside.post({"mrn": "17"}, selector=ANY)
            (sent,) = (await inside.route(await newest(inside))).ready
            assert (await inside.body(sent))["known"] == value
            await learn(inside, sent, "4711")


async def test_a_requirement_is_judged_with_what_is_known(tmp_path: Path) -> None:
    strict = ROUTE.replace(
        "steps: [",
        "steps: [{require: {that: 'memory.his_id != \"\" or msg.new', at: mrn, message: unknown}}, ",
    )
    async with routing(tmp_path, strict) as inside:
        await inside.post({"mrn": "17", "new": True}, selector=ANY)
        await learn(inside, await newest(inside), "4711")
        await inside.post({"mrn": "17", "new": False}, selector=ANY)
        assert (await inside.body(await newest(inside)))["known"] == "4711"


async def test_only_what_may_learn_is_written_so(tmp_path: Path) -> None:
    plain = ROUTE.replace("remember: {his_id: reply.id}, ", "")
    async with routing(tmp_path, plain) as inside:
        assert not inside.reception.current.board.remembers
        await inside.post({"mrn": "17"}, selector=ANY)
        await learn(inside, await newest(inside), "4711")
        assert dict(await inside.store.remembered("17")) == {}


def test_the_policy_of_the_destination_has_the_rules(tmp_path: Path) -> None:
    board = assembled(tmp_path, ROUTE).board
    found = board.policies.destination(
        delivery(route="first", destination="clinique-abc.emr", chain=(Hop("clinique-abc.emr"),))
    )
    assert found is not None and found.rulings is not None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("on_reply: [{when: msg.busy, hold: 15m}]", "msg"),
        ("on_reply: [{when: reply.busy, hold: 15m, dead: true}]", "expected one of hold, dead and retry"),
        ("on_reply: [{when: reply.busy}]", "expected one of hold, dead and retry"),
        ("remember: {his_id: msg.id}", "msg"),
    ],
)
def test_what_an_answer_cannot_say_is_told_at_its_place(tmp_path: Path, written: str, told: str) -> None:
    route = f"route: first\nfrom: {{public: POST /v1/any}}\nto: [{{endpoint: clinique-abc.emr, {written}}}]\n"
    with pytest.raises(ConfigurationError, match=told) as raised:
        load(project(tmp_path, route))
    (problem,) = (each for each in raised.value.problems if each.severity == "error")
    assert problem.line == 3
