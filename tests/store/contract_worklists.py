"""What every store makes of worklists: the same things said in any order, twice or anew, give the same steps."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

import pytest

from engine.store.protocol import Store
from engine.store.scheduling import Narrow, Performing, Said, SaidOfPatient, StepRow, Story
from tests.store.making import CHAIN, EMR, NOW, acceptance, duty, message, settled

EVERYTHING = Narrow(hidden=True)


def said(order: str, at: int, *, known: tuple[str, ...] = (), patient: str = "P1", **facts: Any) -> Said:
    """Return what one event says of one order."""
    content = json.dumps({"order": order, "patient": patient, **facts}, sort_keys=True)
    digest = hashlib.sha256(f"{at} {content}".encode()).digest()
    return Said(known or (order,), (patient,), NOW + at, at, 0, digest, content)


def moved(former: str, present: str, at: int) -> SaidOfPatient:
    """Return a merge of one patient into another."""
    content = json.dumps({"former": former, "present": present})
    digest = hashlib.sha256(f"{at} {content}".encode()).digest()
    return SaidOfPatient((former,), (present,), NOW + at, at, 0, digest, content)


def derive(story: Story) -> list[StepRow]:
    """Lay what was said one over the other; a step that is performed is told so."""
    facts: dict[str, Any] = {}
    for turn in story.orders:
        facts |= json.loads(turn.content)
    for turn in story.patients:
        told = json.loads(turn.content)
        if told["former"] == facts["patient"]:
            facts["patient"] = told["present"]
    state = facts.get("state", "SCHEDULED")
    if done := story.performed(f"study {facts['order']}"):
        state = done[0]
    day = facts.get("day", "20261102")
    content = json.dumps(facts, sort_keys=True)
    return [
        StepRow(
            1,
            state,
            state == "SCHEDULED",
            day,
            "090000",
            facts.get("modality", "CT"),
            "AE1",
            facts["patient"],
            f"A {facts['order']}",
            f"study {facts['order']}",
            f"={facts['patient']}=",
            content,
        )
    ]


async def contents(store: Store, narrow: Narrow = EVERYTHING) -> list[str]:
    """Return the steps as text, without what differs from store to store."""
    rows = await store.worklists.steps("ct", narrow, limit=100)
    return sorted(f"{row.state} {row.day} {row.content}" for row in rows)


class WorklistContract:
    """Steps, merges, what is performed, building anew."""

    async def test_steps_are_found_by_what_narrows_a_search(self, store: Store) -> None:
        for number, modality in enumerate(("CT", "MR", "CT"), start=1):
            one = said(f"O{number}", number, day=f"2026110{number}", modality=modality, patient=f"P{number}")
            await store.worklists.say("ct", [one], derive)

        async def found(narrow: Narrow) -> list[str]:
            rows = await store.worklists.steps("ct", narrow, limit=10)
            return [json.loads(row.content)["order"] for row in rows]

        assert await found(Narrow()) == ["O1", "O2", "O3"]
        assert await found(Narrow(modalities=("CT",))) == ["O1", "O3"]
        assert await found(Narrow(first_day="20261102", last_day="20261102")) == ["O2"]
        assert await found(Narrow(patient="P3")) == ["O3"]
        assert await found(Narrow(name="*=P?=*")) == ["O1", "O2", "O3"]
        assert await found(Narrow(name="*=P2=*")) == ["O2"]
        assert await found(Narrow(accession="A O2", modalities=("CT",))) == []
        assert await found(Narrow(study="study O2")) == ["O2"]
        assert await found(Narrow(stations=("AE2",))) == []
        assert await store.worklists.steps("mr", Narrow(), limit=10) == []

    async def test_what_no_column_says_is_judged_by_who_asks(self, store: Store) -> None:
        for number in range(1, 4):
            code = {"vr": "SH", "Value": [f"C{number}"]}
            item = {"00400009": {"vr": "SH", "Value": [f"S{number}"]}}
            told: Any = {"00401001": code, "00400100": {"vr": "SQ", "Value": [item]}}
            one = said(f"O{number}", number, day=f"2026110{number}", **told)
            await store.worklists.say("ct", [one], derive)
        judged: list[Any] = []

        def wanted(found: Any) -> bool:
            judged.append(found)
            return bool(found["00401001"]["Value"] != ["C1"])

        asked = Narrow(attributes=("00401001", "00400100.00400009", "00081030"), wanted=wanted)
        [second] = await store.worklists.steps("ct", asked, limit=1)
        [third] = await store.worklists.steps("ct", asked, limit=9, after=second.place)
        held = Narrow(attributes=("00401001",), wanted=lambda found: True, holding=('"S3"', '"C3"'))

        assert [json.loads(row.content)["order"] for row in (second, third)] == ["O2", "O3"]
        assert judged[0] == {
            "00401001": {"vr": "SH", "Value": ["C1"]},
            "00400100.00400009": {"vr": "SH", "Value": ["S1"]},
            "00081030": None,
        }
        assert [row.day for row in await store.worklists.steps("ct", asked, limit=9, offset=1)] == [
            "20261103"
        ]
        assert [row.day for row in await store.worklists.steps("ct", held, limit=9)] == ["20261103"]

    @pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
    async def test_what_is_said_in_any_order_gives_the_same_steps(
        self, store: Store, order: tuple[int, ...]
    ) -> None:
        turns = [
            said("O1", 1, known=("placer 1",), day="20261101"),
            said("O1", 2, known=("placer 1", "filler 1"), day="20261102"),
            said("O1", 3, known=("filler 1",), state="CANCELLED"),
            said("O1", 4, known=("placer 1",), state="SCHEDULED", day="20261104"),
        ]
        for number in (*order, *order):
            await store.worklists.say("ct", [turns[number]], derive)

        assert [row.day for row in await store.worklists.steps("ct", EVERYTHING, limit=10)] == ["20261104"]

    async def test_a_copy_changes_nothing_and_is_told(self, store: Store) -> None:
        await store.worklists.say("ct", [said("O1", 1)], derive)
        await store.worklists.say("ct", [said("O1", 2, state="CANCELLED")], derive)

        again = await store.worklists.say("ct", [said("O1", 1)], derive)

        assert again is False
        assert await store.worklists.steps("ct", Narrow(), limit=10) == []

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    async def test_merged_patients_take_their_steps_along(self, store: Store, order: tuple[int, ...]) -> None:
        calls = [
            lambda: store.worklists.say("ct", [said("O1", 1, patient="P1")], derive),
            lambda: store.worklists.say_of_patient("ct", moved("P1", "P2", 2), derive),
            lambda: store.worklists.say_of_patient("ct", moved("P2", "P3", 3), derive),
        ]
        for number in order:
            await calls[number]()

        assert len(await store.worklists.steps("ct", Narrow(patient="P3"), limit=10)) == 1
        assert await store.worklists.steps("ct", Narrow(patient="P1"), limit=10) == []

    async def test_what_is_announced_counts_once_its_message_is_durable(self, store: Store) -> None:
        await store.worklists.say("ct", [said("O1", 1)], derive)
        first = Performing("ct", "1.2", 0, "M1", ("study O1",), "STARTED")
        other = Performing("ct", "1.3", 0, "M2", ("study O1",), "COMPLETED")
        await store.worklists.announce(first)
        await store.worklists.announce(other)

        assert await store.worklists.performed("ct", "1.2") is None
        assert sorted(await store.worklists.announced()) == [("M1", "ct"), ("M2", "ct")]
        await store.worklists.conclude("M1", derive, durable=True)
        await store.worklists.conclude("M2", derive, durable=False)

        assert await store.worklists.announced() == []
        assert await store.worklists.performed("ct", "1.2") == (0, "STARTED")
        assert await store.worklists.performed("ct", "1.3") is None
        [row] = await store.worklists.steps("ct", EVERYTHING, limit=10)
        assert (row.state, row.visible) == ("STARTED", False)

    async def test_one_that_is_built_anew_takes_the_place_of_the_old_at_its_end(self, store: Store) -> None:
        turns = [said(f"O{number}", number) for number in range(3)]
        for turn in turns:
            await store.worklists.say("ct", [turn], derive)
        before = await contents(store)

        await store.rebuilding.begin("ct")
        await store.worklists.say("ct", turns[:2], derive, building=True)
        await store.worklists.say("ct", [said("O9", 9)], derive)  # said meanwhile: both hear of it
        assert len(await contents(store)) == 4
        await store.worklists.say("ct", turns[2:], derive, building=True)
        await store.rebuilding.finish("ct", actor="marie", reason="a test")

        assert [each for each in await contents(store) if "O9" not in each] == before
        assert len(await contents(store)) == 4
        rows = [row for row in await store.journal.rows() if row.action == "worklist-rebuilt"]
        assert {(row.actor, row.detail) for row in rows} == {("marie", "ct: a test")}

    async def test_an_attempt_that_was_not_finished_leaves_nothing(self, store: Store) -> None:
        await store.worklists.say("ct", [said("O1", 1)], derive)
        await store.rebuilding.begin("ct")
        await store.worklists.say("ct", [said("O2", 2)], derive, building=True)

        await store.rebuilding.begin("ct")
        await store.rebuilding.retain("ct", derive)
        await store.rebuilding.finish("ct", actor="", reason="")

        assert len(await contents(store)) == 1
        assert "O1" in (await contents(store))[0]

    async def test_what_messages_without_content_said_is_taken_over(self, store: Store) -> None:
        await store.worklists.say("ct", [said("O1", 1)], derive)
        await store.worklists.say_of_patient("ct", moved("P1", "P2", 2), derive)
        await store.worklists.announce(Performing("ct", "1.2", 0, "M1", ("study O1",), "STARTED"))
        await store.worklists.conclude("M1", derive, durable=True)
        before = await contents(store)

        await store.rebuilding.begin("ct")
        await store.rebuilding.retain("ct", derive)
        await store.rebuilding.finish("ct", actor="", reason="")

        assert await contents(store) == before
        assert await store.worklists.performed("ct", "1.2") == (0, "STARTED")

    async def test_what_fed_it_is_found_in_order(self, store: Store) -> None:
        for _ in range(3):
            accepted = await store.accept(acceptance(duty(chain=CHAIN[:1])))
            await store.settle(settled(accepted.ready[0]))
        await store.accept(acceptance(duty(chain=CHAIN[1:2])))
        taken = await store.accept(acceptance(of=message("mpps 1.2 0"), renderings=()))

        fed = await store.rebuilding.fed([EMR], after=0, limit=2)
        rest = await store.rebuilding.fed([EMR, "nobody"], after=fed[-1].sequence, limit=9)
        told = await store.rebuilding.told(["public"], "mpps ", after=0, limit=9)

        assert [len(fed), len(rest)] == [2, 1]
        body = await store.body(fed[0].message, fed[0].role, fed[0].part)
        assert body is not None and body.read().startswith(b"for ")
        assert [row.message for row in told] == [taken.message]

    async def test_orders_of_days_past_are_forgotten(self, store: Store) -> None:
        await store.worklists.say("ct", [said("O1", 1, day="20261001")], derive)
        await store.worklists.say("ct", [said("O2", 2, day="20261102")], derive)

        await store.rebuilding.sweep("ct", "20261015", NOW)
        assert len(await contents(store)) == 2  # something was said of it since

        await store.rebuilding.sweep("ct", "20261015", NOW + 60_000)
        assert [json.loads(each.split(" ", 2)[2])["order"] for each in await contents(store)] == ["O2"]
