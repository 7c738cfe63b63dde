"""The journal, records, the roster and the copy of a whole store, for every database."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Conflict
from engine.model import Disposition
from engine.store.protocol import Query, Store, Verb
from tests.store.making import CHAIN, EMR, NOW, acceptance, duty, message, operation, settled


class StateContract:
    """Journal, records, roster, health."""

    # ------------------------------------------------------------- journal

    async def test_every_mutation_has_its_row(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k")))
        (delivery,) = accepted.ready
        await store.operate(operation(Verb.HOLD, delivery.sequence))
        held = await store.operate(operation(Verb.UNHOLD, delivery.sequence))
        await store.settle(settled(held))

        rows = await store.journal.rows(message=accepted.message)

        assert [row.action for row in rows] == ["accept", "hold", "unhold", "settle"]
        assert [row.delivery for row in rows] == [0, delivery.sequence, delivery.sequence, delivery.sequence]
        assert rows[-1].detail == "delivered"
        assert [row.sequence for row in await store.journal.rows(delivery=delivery.sequence)] == [
            row.sequence for row in rows[1:]
        ]

    async def test_a_row_of_its_own_goes_with_no_mutation(self, store: Store) -> None:
        await store.journal.append("login", actor="marie", detail="console", at_ms=NOW - 5)

        rows = await store.journal.rows()
        assert {(row.action, row.actor, row.detail, row.at_ms) for row in rows} == {
            ("login", "marie", "console", NOW - 5)
        }

    async def test_the_journal_pages(self, store: Store) -> None:
        for number in range(5):
            await store.journal.append("tick", actor="", detail=str(number), at_ms=NOW)

        first = await store.journal.rows(limit=2)
        rest = await store.journal.rows(after=first[-1].sequence)

        assert len({row.sequence for row in (*first, *rest)}) == len([*first, *rest])
        assert (await store.journal.last()) == rest[-1].sequence

    async def test_the_chain_is_whole_over_groups_of_any_size(self, store: Store) -> None:
        await asyncio.gather(*(store.accept(acceptance(duty("k"))) for _ in range(20)))
        await store.accept(acceptance(duty("k")))

        verified = await store.journal.verify()

        assert verified.broken_at is None
        assert verified.rows == await store.journal.last() == 21
        assert {row.commit for row in await store.journal.rows()} == set(range(1, verified.commits + 1))

    async def test_an_empty_journal_is_whole(self, store: Store) -> None:
        verified = await store.journal.verify()

        assert (verified.commits, verified.rows, verified.broken_at) == (0, 0, None)
        assert await store.journal.last() == 0

    # ------------------------------------------------------------- records

    async def test_a_record_is_written_read_listed_and_deleted(self, store: Store) -> None:
        written = await store.records.put("pause", "b", '{"by": "marie"}', at_ms=NOW)
        await store.records.put("pause", "a", "{}", at_ms=NOW)
        await store.records.put("other", "c", "{}", at_ms=NOW)

        assert await store.records.get("pause", "b") == written
        assert [record.name for record in await store.records.all("pause")] == ["a", "b"]
        await store.records.delete("pause", "b", at_ms=NOW)
        assert await store.records.get("pause", "b") is None

    async def test_a_record_that_must_be_new_is_new(self, store: Store) -> None:
        await store.records.put("alert", "x", "1", at_ms=NOW, revision=None)

        with pytest.raises(Conflict):
            await store.records.put("alert", "x", "2", at_ms=NOW, revision=0)

    async def test_a_record_is_compared_before_it_is_set(self, store: Store) -> None:
        first = await store.records.put("alert", "x", "1", at_ms=NOW)
        second = await store.records.put("alert", "x", "2", at_ms=NOW + 1)

        with pytest.raises(Conflict):
            await store.records.put("alert", "x", "3", at_ms=NOW, revision=first.revision)
        assert second.revision > first.revision
        assert await store.records.get("alert", "x") == second

    async def test_a_deleted_record_never_repeats_a_revision(self, store: Store) -> None:
        first = await store.records.put("alert", "x", "1", at_ms=NOW, action="open")
        await store.records.delete("alert", "x", at_ms=NOW, action="clear")

        again = await store.records.put("alert", "x", "1", at_ms=NOW, action="open")

        assert again.revision > first.revision

    async def test_a_record_with_an_action_is_journalled(self, store: Store) -> None:
        await store.records.put("pause", "r", "{}", at_ms=NOW, actor="marie", action="pause")
        await store.records.put("state", "file", "{}", at_ms=NOW)

        rows = await store.journal.rows()
        assert {(row.action, row.actor, row.detail) for row in rows} == {("pause", "marie", "pause/r")}

    async def test_a_record_has_a_limit(self, store: Store) -> None:
        with pytest.raises(Conflict):
            await store.records.put("state", "file", "x" * (256 * 1024 + 1), at_ms=NOW)

    # ------------------------------------------------------------- names

    async def test_a_new_name_takes_over_what_its_former_one_had(self, store: Store) -> None:
        await store.accept(acceptance(duty("k")))

        await store.roster.enrol("endpoint", {"clinic.dme": [EMR]})

        (delivery,) = await store.due("clinic.dme", NOW, 10)
        assert [hop.endpoint for hop in delivery.chain] == [
            "clinic.dme",
            *(hop.endpoint for hop in CHAIN[1:]),
        ]
        assert list(await store.due(EMR, NOW, 10)) == []

    async def test_a_lane_keeps_its_order_over_a_rename(self, store: Store) -> None:
        await store.accept(acceptance(duty("k")))
        await store.roster.enrol("endpoint", {"clinic.dme": [EMR]})
        renamed = tuple(hop for hop in (await store.due("clinic.dme", NOW, 1))[0].chain)

        await store.accept(acceptance(duty("k", chain=renamed)))

        assert len(await store.due("clinic.dme", NOW, 10)) == 1

    async def test_enrolling_again_changes_nothing(self, store: Store) -> None:
        names = {"appointment": [], "results": ["old-results"]}
        await store.roster.enrol("route", names)

        await store.roster.enrol("route", names)

        assert list(await store.roster.names("route")) == ["appointment", "results"]

    async def test_a_former_name_that_is_used_again_is_another(self, store: Store) -> None:
        await store.accept(acceptance(duty("k")))
        await store.roster.enrol("endpoint", {"clinic.dme": [EMR]})

        await store.roster.enrol("endpoint", {"clinic.dme": [EMR], EMR: []})

        assert len(await store.due("clinic.dme", NOW, 10)) == 1
        assert list(await store.due(EMR, NOW, 10)) == []

    # ------------------------------------------------------------- all together

    async def test_health_tells_of_the_disk(self, store: Store) -> None:
        health = await store.health()

        assert health.writable
        assert health.free_bytes > 0
        assert 0 < health.free_share <= 1
        assert health.detail == ""

    async def test_what_runs_side_by_side_is_all_there(self, store: Store) -> None:
        await asyncio.gather(
            *(
                store.accept(acceptance(duty(f"k{number % 3}"), of=message(f"c{number}")))
                for number in range(30)
            ),
            *(
                store.accept(acceptance(duty(f"k{number % 3}"), of=message(f"c{number}")))
                for number in range(30)
            ),
            *(store.records.put("state", str(number), "{}", at_ms=NOW) for number in range(10)),
            *(store.journal.append("tick", actor="", detail="", at_ms=NOW) for _ in range(10)),
        )

        tally = await store.tally()
        assert tally.conserved and tally.created == 30
        assert tally.dispositions[Disposition.ACCEPTED] == 30
        assert len(await store.messages(Query(limit=100))) == 30
        assert (await store.journal.verify()).broken_at is None
