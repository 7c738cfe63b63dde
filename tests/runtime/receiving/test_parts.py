"""What becomes of one message that turns into several: parts of a split, other kinds of it, other routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.model import Disposition, State
from engine.store.protocol import Query
from tests.runtime.receiving.house import House, house, paths
from tests.runtime.receiving.project import assembled

ANY = "POST /v1/any"


@asynccontextmanager
async def routing(folder: Path, *routes: str, files: dict[str, str] | None = None) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, *routes, files=files)) as opened:
        yield opened


async def posted(inside: House, content: object = None, **how: Any) -> Any:
    return await inside.post({"n": 1} if content is None else content, selector=ANY, **how)


# --------------------------------------------------------------------------- splits


SPLIT = """
route: parts
from: {public: POST /v1/any}
order_by: msg.key
steps: [{split: {of: items, into: item}}]
to:
  - {endpoint: clinique-abc.emr, when: msg.item.n < 3}
"""


async def test_each_part_goes_its_own_way_under_an_id_of_its_own(tmp_path: Path) -> None:
    async with routing(tmp_path, SPLIT) as inside:
        receipt = await posted(inside, {"key": "k", "items": [{"n": 1}, {"n": 2}, {"n": 3}]})
        first, second, third = [row.delivery for row in await inside.rows()]
        assert [await inside.body(delivery) for delivery in (first, second)] == [
            {"key": "k", "item": {"n": 1}},
            {"key": "k", "item": {"n": 2}},
        ]
        assert (third.state, third.reason) == (State.FILTERED, "when")
        assert first.message_id == receipt.message_id
        assert len({first.message_id, second.message_id, third.message_id}) == 3
        assert first.lane == second.lane


async def test_an_empty_list_is_filtered_and_counted(tmp_path: Path) -> None:
    async with routing(tmp_path, SPLIT) as inside:
        receipt = await posted(inside, {"key": "k", "items": []})
        assert receipt.disposition is Disposition.FILTERED
        assert (await inside.store.tally()).created == 1


async def test_a_fault_in_one_part_refuses_the_whole_message(tmp_path: Path) -> None:
    route = """
route: parts
from: {public: POST /v1/any}
steps:
  - split: {of: items, into: item}
  - require: {that: msg.item.n > 0, at: item.n, message: is not positive}
to: [clinique-abc.emr]
"""
    async with routing(tmp_path, route) as inside:
        assert paths(await posted(inside, {"key": "k", "items": [{"n": 1}, {"n": 0}]})) == ["item.n"]
        assert await inside.rows() == []


async def test_parts_of_one_destination_do_not_share_an_id(tmp_path: Path) -> None:
    route = """
route: parts
from: {public: POST /v1/any}
to:
  - {endpoint: clinique-abc.emr, steps: [{split: {of: items}}]}
  - clinique-abc.queue
"""
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"items": [{"n": 1}, {"n": 2}]})
        first, second, whole = [row.delivery for row in await inside.rows()]
        assert [await inside.body(each) for each in (first, second)] == [{"n": 1}, {"n": 2}]
        assert first.message_id == whole.message_id != second.message_id


async def test_more_parts_than_a_commit_can_bear_are_refused(tmp_path: Path) -> None:
    route = """
route: parts
from: {public: POST /v1/any}
steps: [{split: {of: a}}, {split: {of: b}}]
to: [clinique-abc.emr]
"""
    async with routing(tmp_path, route) as inside:
        receipt = await posted(inside, {"a": [{"b": [{}] * 600}] * 20})
        assert receipt.disposition is Disposition.REFUSED
        assert await inside.rows() == []


async def test_each_part_can_go_out_under_another_kind(tmp_path: Path) -> None:
    route = """
route: parts
from: {public: POST /v1/any}
accept: {events: [a, b]}
order_by: msg.key
steps: [{split: {of: items, into: item}}, {set: {kind: "{meta.event.type}"}}]
to: [{endpoint: clinique-abc.emr, supersede: {version: msg.item.version, kind: keep_first}}]
"""
    event = {"specversion": "1.0", "id": "1", "source": "urn:x", "type": "a"}
    data = {"key": "k", "items": [{"version": 1}, {"version": 2}]}
    older = {**event, "id": "0", "type": "b", "data": {"key": "k", "items": [{"version": 0}]}}
    async with routing(tmp_path, route) as inside:
        await posted(inside, older)
        await posted(inside, {**event, "data": data})
        for number, row in enumerate((await inside.rows())[1:], start=1):
            other = await inside.body(row.delivery, role="rendered:as:b")
            assert (other["type"], other["data"]["kind"]) == ("b", "b")
            assert other["data"]["item"]["version"] == row.delivery.version == number


@pytest.mark.parametrize("version", ["1_000", "-1", "9" * 19, "\u0661", True, 1.0, None, [1]])
async def test_a_version_that_could_be_misread_is_refused(tmp_path: Path, version: object) -> None:
    route = """
route: versions
from: {public: POST /v1/any}
order_by: msg.id
to: [{endpoint: clinique-abc.emr, supersede: {version: msg.version}}]
"""
    async with routing(tmp_path, route) as inside:
        assert paths(await posted(inside, {"id": "a", "version": version})) == ["version"]


async def test_a_recall_may_depend_on_more_than_the_type(tmp_path: Path) -> None:
    route = """
route: recalls
from: {public: POST /v1/any}
accept: {events: [a, b]}
order_by: msg.key
to:
  - endpoint: clinique-abc.emr
    supersede: {version: msg.version, kind: keep_first}
    recall: meta.event.type == "b" and msg.gone
"""
    event = {"specversion": "1.0", "source": "urn:x", "type": "a"}
    async with routing(tmp_path, route) as inside:
        for number, gone in enumerate([False, True, False]):
            data = {"key": "k", "version": number, "gone": gone}
            await posted(inside, {**event, "id": str(number), "data": data})
        _, first, second = [row.delivery for row in await inside.rows()]
        assert await inside.store.body(first.message, "rendered:as:b") is None
        assert (await inside.body(second, role="rendered:as:b"))["type"] == "b"


# --------------------------------------------------------------------------- other routes


ONWARD = """
route: outer
from: {public: POST /v1/any}
steps: [{set: {seen: outer}}]
to:
  - clinique-abc.emr
  - {route: inner, when: msg.n == 1}
"""
INNER = """
route: inner
from: counted
order_by: msg.seen
keys: {seen: msg.seen}
steps: [{set: {also: inner}}]
to: [clinique-abc.queue]
"""


async def test_another_route_gets_the_document_as_it_is_now(tmp_path: Path) -> None:
    async with routing(tmp_path, ONWARD, INNER) as inside:
        await posted(inside)
        outer, inner = [row.delivery for row in await inside.rows()]
        assert await inside.body(outer) == {"n": 1, "seen": "outer"}
        assert await inside.body(inner) == {"n": 1, "seen": "outer", "also": "inner"}
        assert (inner.route, inner.destination) == ("inner", "clinique-abc.queue")
        (row,) = await inside.store.messages(Query(key=("seen", "outer")))
        assert row.sequence == inner.message


async def test_a_route_without_changes_hands_on_what_it_was_handed(tmp_path: Path) -> None:
    plain = INNER.replace("steps: [{set: {also: inner}}]\n", "")
    async with routing(tmp_path, ONWARD, plain) as inside:
        await posted(inside)
        inner = (await inside.rows())[1].delivery
        assert await inside.body(inner) == {"n": 1, "seen": "outer"}


async def test_parts_that_are_handed_on_keep_apart(tmp_path: Path) -> None:
    outer = """
route: outer
from: {public: POST /v1/any}
steps: [{split: {of: items}}]
to: [{route: inner}]
"""
    async with routing(tmp_path, outer, INNER) as inside:
        await posted(inside, {"items": [{"seen": "a"}, {"seen": "b"}]})
        first, second = [row.delivery for row in await inside.rows()]
        assert [(await inside.body(each))["seen"] for each in (first, second)] == ["a", "b"]
        assert first.message_id != second.message_id
