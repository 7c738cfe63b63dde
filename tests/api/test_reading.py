"""What the API shows of a stopped store: the same words as on a running engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.api.problems import BadCall, NotRunning
from engine.errors import NotFound
from engine.model import State
from engine.runtime.routing.complements import loss_of
from engine.spi import Carried
from tests.api.stored import stopped_store


async def test_status_tells_what_waits_and_what_ended(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        done, _ = await stopped.accept("1")
        await stopped.settle(done, State.DELIVERED)
        await stopped.accept("2")
        await stopped.accept("3", reason="rejected")
        view = await stopped.get("status")
    route = view["routes"][0]
    assert (view["running"], view["conserved"]) == (False, True)
    assert (route["in"], route["delivered"], route["waiting"], route["dead"]) == (3, 1, 1, 1)


async def test_what_mappers_lost_of_a_message_is_told_with_it(tmp_path: Path) -> None:
    carried = [
        Carried("visit", "1", "v2", None, lambda: {"mapper": "visit", "opaque": ["ZPA-1"]}),
        Carried("visit", "1", "event", None, lambda: {"mapper": "visit", "remark": "created"}),
    ]
    kept = [loss_of(each, number, number - 1) for number, each in enumerate(carried, start=1)]
    async with stopped_store(tmp_path) as stopped:
        message, _ = await stopped.accept("1", besides=kept)
        view = await stopped.get(f"messages/{message}")
        trace = await stopped.get(f"messages/{message}/trace")
    assert view["losses"] == trace["losses"]
    assert view["losses"] == [
        {"mapper": "visit", "opaque": ["ZPA-1"]},
        {"mapper": "visit", "remark": "created", "part": 1},
    ]


async def test_messages_are_found_by_business_key(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        wanted, _ = await stopped.accept("2")
        found = (await stopped.get("messages", key="note=2"))["messages"]
    assert [row["id"] for row in found] == [wanted]


async def test_messages_are_found_by_id_in_small_letters(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        wanted, _ = await stopped.accept("1")
        found = (await stopped.get("messages", id=wanted.lower()))["messages"]
    assert [row["id"] for row in found] == [wanted]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"disposition": "refused"}, 1),
        ({"disposition": "accepted,refused"}, 3),
        ({"state": "dead"}, 1),
        ({"partner": "platform"}, 2),
        ({"listener": "door"}, 3),
        ({"listener": "window"}, 0),
        ({"endpoint": "clinic.emr"}, 2),
        ({"since": "1h"}, 3),
        ({"until": "1h"}, 0),
    ],
)
async def test_messages_are_narrowed(tmp_path: Path, query: dict[str, str], count: int) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        await stopped.accept("2", reason="rejected")
        await stopped.refuse("appointment.end")
        assert len((await stopped.get("messages", **query))["messages"]) == count


async def test_a_partner_s_messages_are_those_from_it_and_those_for_it(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for_clinic, _ = await stopped.accept("1")
        elsewhere, _ = await stopped.accept("2", endpoint="other.emr")
        found = {
            name: [row["id"] for row in (await stopped.get("messages", partner=name))["messages"]]
            for name in ("clinic", "platform", "nobody")
        }
    assert found == {"clinic": [for_clinic], "platform": [elsewhere, for_clinic], "nobody": []}


async def test_a_partner_s_deliveries_are_those_to_its_endpoints(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        await stopped.accept("2", endpoint="clinic.box")
        await stopped.accept("3", endpoint="other.emr")
        found = {
            name: [row["endpoint"] for row in (await stopped.get("deliveries", partner=name))["deliveries"]]
            for name in ("clinic", "platform")
        }
    assert found == {"clinic": ["clinic.box", "clinic.emr"], "platform": []}


async def test_an_endpoint_narrows_a_partner(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        await stopped.accept("2", endpoint="clinic.box")
        query = {"partner": "clinic", "endpoint": "clinic.box"}
        assert len((await stopped.get("deliveries", **query))["deliveries"]) == 1


async def test_pages_follow_each_other(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        ids = [(await stopped.accept(str(number)))[0] for number in range(5)]
        first = (await stopped.get("messages", limit="2"))["messages"]
        second = (await stopped.get("messages", limit="2", before=str(first[-1]["sequence"])))["messages"]
    assert [row["id"] for row in (*first, *second)] == ids[:0:-1]


async def test_a_message_shows_its_attempts(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, _ = await stopped.accept("1")
        await stopped.settle(identifier, State.DEAD, code="400")
        view = await stopped.get(f"messages/{identifier}")
    delivery = view["deliveries"][0]
    assert (delivery["state"], delivery["open"]) == ("dead", True)
    assert [(each["number"], each["code"], each["result"]) for each in delivery["tries"]] == [
        (1, "400", "rejected")
    ]


async def test_a_message_is_shown_by_the_journal_s_number_for_it(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        identifier, _ = await stopped.accept("2")
        number = (await stopped.get("journal"))["rows"][-1]["message"]
        assert (await stopped.get(f"messages/{number}"))["id"] == identifier
        with pytest.raises(NotFound, match="number 99"):
            await stopped.get("messages/99")


async def test_a_message_shows_no_content_unasked(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, _ = await stopped.accept("1")
        assert "content" not in await stopped.get(f"messages/{identifier}")


async def test_content_is_what_came_and_what_goes_out(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, _ = await stopped.accept("1")
        view = await stopped.get(f"messages/{identifier}", content="true", purpose="exercise")
    assert view["content"] == {"raw": "{}", "rendered": "content"}


async def test_content_without_a_purpose_is_not_given_and_not_journalled(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, _ = await stopped.accept("1")
        with pytest.raises(BadCall, match="purpose"):
            await stopped.get(f"messages/{identifier}", content="true")
        assert "phi-viewed" not in [row["action"] for row in (await stopped.get("journal"))["rows"]]


async def test_a_trace_is_in_order_of_time(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, delivery = await stopped.accept("1")
        await stopped.settle(identifier, State.DEAD, code="400")
        await stopped.post(f"dead/{delivery}/discard", reason="exercise")
        timeline = (await stopped.get(f"messages/{identifier}/trace"))["timeline"]
    assert timeline[0]["what"] == "accept"
    assert {row["what"] for row in timeline} == {"accept", "attempt", "settle", "discard"}
    assert [row["at"] for row in timeline] == sorted(row["at"] for row in timeline)


async def test_dead_letters_are_grouped_by_cause(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for number, reason in enumerate(("rejected", "rejected", "exhausted")):
            await stopped.accept(str(number), reason=reason)
        await stopped.accept("waiting")
        view = await stopped.get("dead", limit="1")
    assert [(row["reason"], row["count"]) for row in view["causes"]] == [("rejected", 2), ("exhausted", 1)]
    assert len(view["dead"]) == 1


async def test_a_discarded_dead_letter_is_listed_on_request_only(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        _, delivery = await stopped.accept("1", reason="rejected")
        await stopped.post(f"dead/{delivery}/discard", reason="exercise")
        open_ones, every_one = await stopped.get("dead"), await stopped.get("dead", all="true")
    assert (len(open_ones["dead"]), len(every_one["dead"])) == (0, 1)


async def test_reconciliation_adds_up_and_compares_per_partner_and_day(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        done, _ = await stopped.accept("1")
        await stopped.settle(done, State.DELIVERED)
        await stopped.accept("2")
        view = await stopped.get("reconcile")
    assert (view["conserved"], view["created"], view["unfinished"]) == (True, 2, 1)
    assert [(row["partner"], row["disposition"], row["count"]) for row in view["partners"]] == [
        ("platform", "accepted", 2)
    ]


async def test_versions_of_a_route_that_never_ran_are_not_found(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(NotFound, match="ever ran"):
            await stopped.get("versions", route="notes")


@pytest.mark.parametrize("path", ["graph", "inboxes", "endpoints"])
async def test_what_needs_a_running_engine_says_so(tmp_path: Path, path: str) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(NotRunning, match="passerelle run"):
            await stopped.get(path)


async def test_a_key_without_a_value_is_refused(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(BadCall, match="name=value"):
            await stopped.get("messages", key="note=")
