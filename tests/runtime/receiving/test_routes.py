"""What routes may say: several at one door, conditions, steps of a destination's own, ordering keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.model import Disposition, State
from engine.store.protocol import Query
from tests.runtime.receiving.house import House, house, paths, sample
from tests.runtime.receiving.project import assembled

ANY = "POST /v1/any"


@asynccontextmanager
async def routing(folder: Path, *routes: str, files: dict[str, str] | None = None) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, *routes, files=files)) as opened:
        yield opened


async def posted(inside: House, content: object = None, **how: Any) -> Any:
    return await inside.post({"n": 1} if content is None else content, selector=ANY, **how)


# --------------------------------------------------------------------------- several routes


FIRST = """
route: first
from: {public: POST /v1/any}
to: [clinique-abc.emr]
"""
SECOND = """
route: second
from: {public: POST /v1/any}
steps: [{set: {from: second}}]
to: [clinique-abc.queue]
"""
PICKY = """
route: picky
from: {public: POST /v1/any}
steps: [{require: {that: msg.n > 5, at: n, message: is too small}}]
to: [clinique-nord.queue]
"""


async def test_every_route_of_a_door_runs_in_one_commit_with_one_reply(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST, SECOND) as inside:
        receipt = await posted(inside)
        rows = await inside.rows()
        assert receipt.disposition is Disposition.ACCEPTED
        assert [row.delivery.route for row in rows] == ["first", "second"]
        commits = {row.commit for row in await inside.store.journal.rows() if row.action == "accept"}
        assert len(commits) == 1


async def test_each_route_sees_the_message_as_it_was_received(tmp_path: Path) -> None:
    async with routing(tmp_path, SECOND, FIRST) as inside:
        await posted(inside)
        bodies = {row.delivery.route: await inside.body(row.delivery) for row in await inside.rows()}
        assert bodies == {"first": {"n": 1}, "second": {"n": 1, "from": "second"}}


async def test_what_one_route_refuses_and_another_takes_is_a_dead_letter_of_the_first(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST, PICKY) as inside:
        receipt = await posted(inside)
        ends = {row.delivery.route: row.delivery for row in await inside.rows()}
        assert receipt.disposition is Disposition.ACCEPTED
        assert ends["first"].state is State.PENDING
        assert (ends["picky"].state, ends["picky"].reason) == (State.DEAD, "incoherent")
        assert (ends["picky"].kind, ends["picky"].destination) == ("route", "")
        assert [(blame.route, blame.path) for blame in inside.blames] == [("picky", "n")]


async def test_what_all_routes_refuse_is_refused_with_all_their_faults(tmp_path: Path) -> None:
    stricter = PICKY.replace("picky", "stricter").replace("at: n,", "at: m,")
    async with routing(tmp_path, PICKY, stricter) as inside:
        assert paths(await posted(inside)) == ["n", "m"]
        assert [blame.route for blame in inside.blames] == ["picky", "stricter"]
        assert await inside.rows() == []


async def test_routes_that_share_a_door_do_not_share_content(tmp_path: Path) -> None:
    third = SECOND.replace("second", "third").replace("clinique-abc.queue", "clinique-nord.queue")
    async with routing(tmp_path, SECOND, third) as inside:
        await posted(inside)
        assert [await inside.body(row.delivery) for row in await inside.rows()] == [
            {"n": 1, "from": "second"},
            {"n": 1, "from": "third"},
        ]


# --------------------------------------------------------------------------- conditions


async def test_every_destination_whose_condition_holds_is_served(tmp_path: Path) -> None:
    route = """
route: some
from: {public: POST /v1/any}
to:
  - {endpoint: clinique-abc.emr, when: msg.n == 1}
  - {endpoint: clinique-abc.queue, when: msg.n == 2}
  - clinique-nord.queue
"""
    async with routing(tmp_path, route) as inside:
        await posted(inside)
        assert [row.delivery.destination for row in await inside.rows()] == [
            "clinique-abc.emr",
            "clinique-nord.queue",
        ]


async def test_a_message_that_no_destination_wants_is_filtered_and_counted(tmp_path: Path) -> None:
    route = FIRST.replace("to: [clinique-abc.emr]", "to: [{endpoint: clinique-abc.emr, when: msg.n == 2}]")
    async with routing(tmp_path, route) as inside:
        receipt = await posted(inside)
        delivery = await inside.only()
        assert receipt.disposition is Disposition.FILTERED
        assert (delivery.state, delivery.reason) == (State.FILTERED, "when")
        assert (await inside.store.tally()).conserved


async def test_a_message_that_the_steps_filter_is_counted(tmp_path: Path) -> None:
    route = FIRST.replace("to:", "steps: [{keep: msg.n == 2}]\nto:")
    async with routing(tmp_path, route) as inside:
        receipt = await posted(inside)
        delivery = await inside.only()
        assert receipt.disposition is Disposition.FILTERED
        assert (delivery.state, delivery.reason) == (State.FILTERED, "steps")


@pytest.mark.parametrize(("n", "served"), [(1, "clinique-abc.emr"), (2, "clinique-abc.queue"), (3, "rest")])
async def test_one_of_serves_the_first_that_holds(tmp_path: Path, n: int, served: str) -> None:
    route = """
route: choice
from: {public: POST /v1/any}
to:
  - one_of:
      - {endpoint: clinique-abc.emr, when: msg.n == 1}
      - {endpoint: clinique-abc.queue, when: msg.n < 3}
      - {endpoint: clinique-nord.queue, id: rest, otherwise: true}
"""
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"n": n})
        assert (await inside.only()).destination == served


# --------------------------------------------------------------------------- content


async def test_what_no_step_changed_goes_on_byte_for_byte(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST) as inside:
        await posted(inside, b'{ "n":1.50 }')
        delivery = await inside.only()
        body = await inside.store.body(delivery.message, delivery.chain[0].rendering)
        assert body is not None
        assert (delivery.chain[0].rendering, body.read()) == ("raw", b'{ "n":1.50 }')


async def test_the_senders_content_type_goes_on_with_an_unmapped_document(tmp_path: Path) -> None:
    async with routing(tmp_path, SECOND) as inside:
        await posted(inside, content_type="application/vnd.example+json")
        delivery = await inside.only()
        body = await inside.store.body(delivery.message, delivery.chain[0].rendering)
        assert body is not None
        assert body.content_type == "application/vnd.example+json"


async def test_an_event_whose_attributes_came_in_headers_leaves_whole(tmp_path: Path) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "urn:x", "ce-type": "t"}
    async with routing(tmp_path, FIRST) as inside:
        await posted(inside, headers=headers)
        delivery = await inside.only()
        body = await inside.store.body(delivery.message, delivery.chain[0].rendering)
        assert body is not None
        assert body.content_type == "application/cloudevents+json"
        assert (await inside.body(delivery))["data"] == {"n": 1}
        assert (await inside.body(delivery))["id"] == "7"


async def test_steps_of_one_destination_are_not_seen_by_the_others(tmp_path: Path) -> None:
    route = """
route: own
from: {public: POST /v1/any}
to:
  - {endpoint: clinique-abc.emr, steps: [{set: {n: 2}}, {remove: [secret]}]}
  - clinique-abc.queue
  - {endpoint: clinique-nord.queue, steps: [{keep: msg.n == 1}]}
"""
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"n": 1, "secret": "s"})
        own, shared, kept = [row.delivery for row in await inside.rows()]
        assert await inside.body(own) == {"n": "2"}
        assert await inside.body(shared) == await inside.body(kept) == {"n": 1, "secret": "s"}


async def test_a_destination_whose_own_steps_filter_is_counted_as_filtered(tmp_path: Path) -> None:
    route = """
route: own
from: {public: POST /v1/any}
to:
  - {endpoint: clinique-abc.emr, steps: [{keep: msg.n == 2}]}
  - clinique-abc.queue
"""
    async with routing(tmp_path, route) as inside:
        receipt = await posted(inside)
        filtered, served = [row.delivery for row in await inside.rows()]
        assert receipt.disposition is Disposition.ACCEPTED
        assert (filtered.destination, filtered.state) == ("clinique-abc.emr", State.FILTERED)
        assert served.state is State.PENDING


async def test_a_fallback_whose_own_steps_filter_is_left_out_of_the_chain(tmp_path: Path) -> None:
    route = """
route: own
from: {public: POST /v1/any}
to:
  - endpoint: clinique-abc.emr
    fallback: {to: [{endpoint: clinique-abc.queue, steps: [{keep: msg.n == 2}]}, clinique-nord.queue]}
"""
    async with routing(tmp_path, route) as inside:
        await posted(inside)
        delivery = await inside.only()
        assert [hop.endpoint for hop in delivery.chain] == ["clinique-abc.emr", "clinique-nord.queue"]


# --------------------------------------------------------------------------- doors


async def test_a_listener_may_count_what_no_route_takes(tmp_path: Path) -> None:
    route = FIRST.replace("{public: POST /v1/any}", "counted").replace("to:", "accept: {events: [a]}\nto:")
    async with routing(tmp_path, route) as inside:
        receipt = await inside.post({"n": 1}, listener="counted", selector="")
        assert receipt.disposition is Disposition.FILTERED
        assert await inside.rows() == []


async def test_a_content_type_that_no_route_reads_is_refused(tmp_path: Path) -> None:
    async with routing(tmp_path, SECOND) as inside:
        receipt = await posted(inside, b"plain", codec="text", content_type="text/plain")
        assert receipt.disposition is Disposition.REFUSED
        assert b"content type" in receipt.reply


async def test_a_route_that_looks_at_nothing_takes_any_content(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST) as inside:
        receipt = await posted(inside, b"plain", codec="text", content_type="text/plain")
        assert receipt.disposition is Disposition.ACCEPTED


async def test_files_of_one_partner_keep_their_order(tmp_path: Path) -> None:
    route = FIRST.replace("{public: POST /v1/any}", "folder")
    async with routing(tmp_path, route) as inside:
        for n in range(2):
            await inside.post({"n": n}, listener="folder", selector="", partner="platform")
        await inside.post({"n": 9}, listener="folder", selector="", partner="operations")
        assert [row.blocked for row in await inside.rows()] == [False, True, False]


async def test_messages_without_an_ordering_key_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST) as inside:
        await posted(inside, {"n": 1})
        await posted(inside, {"n": 2})
        assert [row.blocked for row in await inside.rows()] == [False, False]


async def test_an_empty_ordering_key_is_a_lane_of_its_own_and_counted(tmp_path: Path) -> None:
    route = FIRST.replace("to:", "order_by: [msg.a, msg.b]\nto:")
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"n": 1})
        await posted(inside, {"n": 2})
        assert [row.blocked for row in await inside.rows()] == [False, False]
        assert inside.counted.totals["empty_order_keys", (("route", "first"),)] == 2


async def test_a_message_of_two_ordering_keys_waits_for_both_and_holds_both(tmp_path: Path) -> None:
    route = FIRST.replace("to:", "order_by: [msg.a, msg.b]\nto:")
    async with routing(tmp_path, route) as inside:
        for n, (a, b) in enumerate([("1", ""), ("2", ""), ("1", "2"), ("2", ""), ("1", ""), ("12", "")]):
            await posted(inside, {"n": n, "a": a, "b": b})
        assert [row.blocked for row in await inside.rows()] == [False, False, True, True, True, False]


# --------------------------------------------------------------------------- what cannot be used


async def test_an_expiry_that_is_no_time_is_refused(tmp_path: Path) -> None:
    route = FIRST.replace("to: [clinique-abc.emr]", "to: [{endpoint: clinique-abc.emr, expire: msg.until}]")
    async with routing(tmp_path, route) as inside:
        assert paths(await posted(inside, {"until": "2026-11-02T10:00:00"})) == ["until"]
        assert (await posted(inside, {"n": 1})).disposition is Disposition.ACCEPTED


async def test_a_version_that_is_no_number_is_refused(tmp_path: Path) -> None:
    route = """
route: versions
from: {public: POST /v1/any}
order_by: msg.id
to: [{endpoint: clinique-abc.emr, supersede: {version: msg.version}}]
"""
    async with routing(tmp_path, route) as inside:
        assert paths(await posted(inside, {"id": "a", "version": "two"})) == ["version"]


async def test_values_that_do_not_fit_an_expression_are_refused_and_named(tmp_path: Path) -> None:
    route = FIRST.replace("to:", "steps: [{keep: msg.n < 3}]\nto:")
    async with routing(tmp_path, route) as inside:
        assert paths(await posted(inside, {"n": {"deep": "secret"}})) == ["n"]


async def test_who_sent_it_is_known_to_the_steps(tmp_path: Path) -> None:
    route = FIRST.replace("to:", 'steps: [{set: {by: "{sender.name}"}}]\nto:')
    async with routing(tmp_path, route) as inside:
        await posted(inside, sample(), partner="platform")
        assert (await inside.body(await inside.only()))["data"]["by"] == "platform"


async def test_a_message_is_found_by_the_id_that_its_channel_gave(tmp_path: Path) -> None:
    async with routing(tmp_path, FIRST) as inside:
        receipt = await posted(inside, control_id="MSG-7")
        (row,) = await inside.store.messages(Query(key=("control", "MSG-7")))
        assert row.id == receipt.message_id
