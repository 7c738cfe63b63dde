"""Order, schedule and settlement, for every store: one head per lane, freed by the settlement before it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.errors import Conflict, NotFound
from engine.model import Delivery, Hop, State
from engine.store.protocol import LaneEffect, Query, Settlement, Store, Verb
from tests.store.making import (
    EMR,
    NOW,
    QUEUE,
    acceptance,
    dead,
    delivery_at,
    duty,
    line,
    message,
    operation,
    retrying,
    settled,
)


class LaneContract:
    """Lanes, due heads and deadlines."""

    async def test_the_second_of_a_lane_waits_for_the_first(self, store: Store) -> None:
        first, second = await line(store, "k", "k")

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first]
        assert second not in {each.sequence for each in await store.due(EMR, NOW, 10)}

    async def test_the_next_comes_with_the_settlement_that_frees_it(self, store: Store) -> None:
        first, second, third = await line(store, "k", "k", "k")

        result = await store.settle(settled(await delivery_at(store, first)))

        assert result.next is not None
        assert result.next.sequence == second
        assert result.next.body is not None and result.next.body.data is not None
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [second]
        assert third != second

    async def test_a_retry_keeps_its_place_and_its_lane(self, store: Store) -> None:
        first, _ = await line(store, "k", "k")

        result = await store.settle(retrying(await delivery_at(store, first), NOW + 5_000))

        assert result.next is None
        assert list(await store.due(EMR, NOW, 10)) == []
        (again,) = await store.due(EMR, NOW + 5_000, 10)
        assert (again.sequence, again.state, again.attempts) == (first, State.RETRYING, 1)

    async def test_lanes_do_not_wait_for_each_other(self, store: Store) -> None:
        heads = await line(store, "a", "b", "", "")

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == heads

    async def test_a_lane_belongs_to_its_primary_endpoint(self, store: Store) -> None:
        other = (Hop("other.emr"),)
        await store.accept(acceptance(duty("k"), duty("k", chain=other)))

        assert len(await store.due("other.emr", NOW, 10)) == 1

    async def test_a_lane_is_shared_by_routes(self, store: Store) -> None:
        await store.accept(acceptance(duty("k"), duty("k", route="results")))

        assert len(await store.due(EMR, NOW, 10)) == 1

    async def test_a_lane_is_kept_during_fallback(self, store: Store) -> None:
        first, second = await line(store, "k", "k")

        await store.settle(retrying(await delivery_at(store, first), NOW, hop=1))

        assert [each.sequence for each in await store.due(QUEUE, NOW, 10)] == [first]
        assert list(await store.due(EMR, NOW, 10)) == []
        result = await store.settle(
            settled(await delivery_at(store, first), State.DELIVERED_BY_FALLBACK, hop=1)
        )
        assert result.next is not None and result.next.sequence == second

    async def test_lanes_have_names_that_are_never_the_key(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("patient-1234"), duty(), duty()))

        names = {each.lane for each in accepted.ready}
        assert len(names) == 3
        assert not any(b"1234" in name for name in names)

    async def test_awaiting_may_free_its_lane(self, store: Store) -> None:
        first, second = await line(store, "k", "k")

        result = await store.settle(settled(await delivery_at(store, first), State.AWAITING, LaneEffect.FREE))

        assert result.next is not None and result.next.sequence == second
        confirmed = await store.settle(settled(await delivery_at(store, first)))
        assert confirmed.next is None
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [second]

    async def test_what_awaits_is_found_by_the_id_that_travelled_and_by_the_senders_own(
        self, store: Store
    ) -> None:
        accepted = await store.accept(
            acceptance(duty("k"), duty("k", message_id="part-1"), of=message("C-17"))
        )
        (first,) = accepted.ready
        assert list(await store.awaited(accepted.message_id)) == []

        result = await store.settle(settled(first, State.AWAITING))
        assert result.next is not None
        await store.settle(settled(result.next, State.AWAITING))

        assert [each.sequence for each in await store.awaited(accepted.message_id)] == [first.sequence]
        assert [each.sequence for each in await store.awaited("C-17")] == [first.sequence]
        assert [each.sequence for each in await store.awaited("part-1")] == [result.next.sequence]
        assert list(await store.awaited("C-18")) == []

    async def test_what_awaits_is_found_by_what_its_partner_took_it_as(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k", message_id="part-1")))).ready
        await store.settle(settled(first, State.AWAITING, reference="2.25.1"))

        assert [each.sequence for each in await store.awaited("2.25.1")] == [first.sequence]
        await store.settle(settled(await delivery_at(store, first.sequence)))
        assert list(await store.awaited("2.25.1")) == []

    async def test_what_awaited_is_found_while_it_is_tried_again_and_not_once_it_has_ended(
        self, store: Store
    ) -> None:
        (first,) = (await store.accept(acceptance(duty("k"), of=message("C-19")))).ready
        await store.settle(settled(first, State.AWAITING))

        await store.settle(retrying(await delivery_at(store, first.sequence), NOW))
        assert [each.state for each in await store.awaited("C-19")] == [State.RETRYING]
        await store.settle(settled(await delivery_at(store, first.sequence)))

        assert list(await store.awaited("C-19")) == []

    async def test_a_confirmation_takes_the_place_of_its_attempts_answer(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first, State.AWAITING))
        now = await delivery_at(store, first.sequence)
        final = settled(now, attempts=1)
        assert final.attempt is not None
        answer = replace(final.attempt, number=1, code="AA", evidence=b"MSA|AA|1")

        await store.settle(replace(final, attempt=answer))

        (attempt,) = await store.attempts(first.sequence)
        assert (attempt.number, attempt.code, attempt.evidence) == (1, "AA", b"MSA|AA|1")

    async def test_a_partners_answer_is_remembered_for_its_ordering_key(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k", remembers=True)))).ready
        assert dict(await store.remembered("k")) == {}

        await store.settle(settled(first, remember=(("his_id", "4711"), ("ward", "3 Est, Sainte-Anne"))))

        assert dict(await store.remembered("k")) == {"his_id": "4711", "ward": "3 Est, Sainte-Anne"}
        assert dict(await store.remembered("other")) == {}

    async def test_a_newer_answer_takes_the_place_of_what_was_remembered(self, store: Store) -> None:
        for value in ("1", "2"):
            duties = duty("k", chain=(Hop(f"clinic.{value}"),), remembers=True)
            (ready,) = (await store.accept(acceptance(duties))).ready
            await store.settle(settled(ready, remember=(("his_id", value),)))

        assert dict(await store.remembered("k")) == {"his_id": "2"}

    async def test_what_was_remembered_goes_with_the_payload_that_brought_it(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k", remembers=True)))).ready
        await store.settle(settled(first, remember=(("his_id", "4711"),)))

        assert await store.purge(NOW + 1, 10) == 1

        assert dict(await store.remembered("k")) == {}

    async def test_a_delivery_that_was_not_to_learn_teaches_nothing(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first, remember=(("his_id", "4711"),)))

        assert dict(await store.remembered("k")) == {}

    async def test_awaiting_may_keep_its_lane(self, store: Store) -> None:
        first, _ = await line(store, "k", "k")

        await store.settle(settled(await delivery_at(store, first), State.AWAITING, LaneEffect.KEEP))

        assert list(await store.due(EMR, NOW, 10)) == []

    async def test_a_terminal_state_always_leaves_the_lane(self, store: Store) -> None:
        first, second = await line(store, "k", "k")

        result = await store.settle(settled(await delivery_at(store, first), lane=LaneEffect.KEEP))

        assert result.next is not None and result.next.sequence == second

    async def test_two_hundred_lanes_keep_their_order_side_by_side(self, store: Store) -> None:
        lanes = [f"k{number}" for number in range(200)]
        accepted = await asyncio.gather(
            *(store.accept(acceptance(duty(lane))) for _ in range(5) for lane in lanes)
        )
        seen: dict[bytes, list[int]] = {}

        async def serve(delivery: Delivery | None) -> None:
            while delivery is not None:
                seen.setdefault(delivery.lane, []).append(delivery.sequence)
                delivery = (await store.settle(settled(delivery))).next

        await asyncio.gather(*(serve(delivery) for each in accepted for delivery in each.ready))

        assert len(seen) == 200
        assert all(len(order) == 5 and order == sorted(order) for order in seen.values())

    # ------------------------------------------------------------- compare and set

    async def test_of_two_settlements_one_wins(self, store: Store) -> None:
        (sequence,) = await line(store, "k")
        delivery = await delivery_at(store, sequence)

        async def attempt() -> str:
            try:
                await store.settle(settled(delivery))
            except Conflict:
                return "lost"
            return "won"

        assert sorted(await asyncio.gather(attempt(), attempt(), attempt())) == ["lost", "lost", "won"]

    async def test_a_settlement_moves_the_revision(self, store: Store) -> None:
        (sequence,) = await line(store, "k")
        delivery = await delivery_at(store, sequence)

        result = await store.settle(retrying(delivery, NOW))

        assert result.revision == delivery.revision + 1
        assert (await delivery_at(store, sequence)).revision == result.revision

    async def test_what_has_ended_is_not_settled_again(self, store: Store) -> None:
        (sequence,) = await line(store, "k")
        result = await store.settle(settled(await delivery_at(store, sequence)))

        with pytest.raises(Conflict):
            await store.settle(Settlement(sequence, result.revision, State.RETRYING))

    async def test_an_unknown_delivery_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.settle(Settlement(4711, 0, State.DELIVERED))

    async def test_a_settlement_writes_everything_that_it_says(self, store: Store) -> None:
        (sequence,) = await line(store, "k")

        await store.settle(
            retrying(
                await delivery_at(store, sequence),
                NOW + 7,
                hop=1,
                hop_ms=NOW - 3,
                hop_attempts=4,
                unknown=2,
                deadline_ms=NOW + 99,
                reason="busy",
            )
        )

        now = await delivery_at(store, sequence)
        assert (now.hop, now.hop_ms, now.hop_attempts, now.unknown) == (1, NOW - 3, 4, 2)
        assert (now.due_ms, now.deadline_ms, now.reason) == (NOW + 7, NOW + 99, "busy")

    # ------------------------------------------------------------- when

    async def test_due_is_in_order_of_time_then_sequence(self, store: Store) -> None:
        late, early, second = [
            (await store.accept(acceptance(duty(due_ms=due)))).ready[0].sequence
            for due in (NOW, NOW - 9, NOW)
        ]

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [early, late, second]

    async def test_due_leaves_out_what_comes_later_and_what_is_held(self, store: Store) -> None:
        await store.accept(acceptance(duty(due_ms=NOW + 1), duty(state=State.HELD), duty()))

        assert len(await store.due(EMR, NOW, 10)) == 1

    async def test_due_pages_behind_what_the_caller_holds(self, store: Store) -> None:
        sequences = await line(store, "", "", "", "")

        first = await store.due(EMR, NOW, 2)
        rest = await store.due(EMR, NOW, 10, after=first[-1].sequence)

        assert [each.sequence for each in (*first, *rest)] == sequences

    async def test_due_of_an_endpoint_that_nobody_named_is_empty(self, store: Store) -> None:
        assert list(await store.due("nobody.home", NOW, 10)) == []

    async def test_overdue_finds_heads_whose_deadline_has_come(self, store: Store) -> None:
        accepted = await store.accept(
            acceptance(
                duty("k", deadline_ms=NOW + 10),
                duty("k", deadline_ms=NOW + 1),
                duty(deadline_ms=NOW + 20),
                duty(state=State.HELD, deadline_ms=NOW + 5),
            )
        )

        found = await store.overdue(NOW + 10, 10)

        assert [each.deadline_ms for each in found] == [NOW + 5, NOW + 10]
        assert accepted.ready[0].sequence == found[1].sequence

    async def test_outlook_gives_the_earliest_time_per_endpoint(self, store: Store) -> None:
        await store.accept(acceptance(duty("k", due_ms=NOW + 5), duty("k", due_ms=NOW), duty(due_ms=NOW + 3)))
        await store.accept(acceptance(duty(chain=(Hop("other.emr"),), due_ms=NOW + 9)))

        assert dict(await store.outlook()) == {EMR: NOW + 3, "other.emr": NOW + 9}

    # ------------------------------------------------------------- park

    async def test_a_parked_lane_stops_behind_its_dead_letter(self, store: Store) -> None:
        first, _ = await line(store, "k", "k")

        result = await store.settle(dead(await delivery_at(store, first), parks=True))
        (later,) = await line(store, "k")

        assert result.next is None
        assert list(await store.due(EMR, NOW, 10)) == []
        assert [row.delivery.sequence for row in await store.deliveries(Query(open_dead=True))] == [first]
        assert later > first

    async def test_a_lane_that_skips_goes_on_behind_its_dead_letter(self, store: Store) -> None:
        first, second = await line(store, "k", "k")

        result = await store.settle(dead(await delivery_at(store, first), parks=False))

        assert result.next is not None and result.next.sequence == second

    async def test_a_duty_that_is_born_dead_may_park_its_lane(self, store: Store) -> None:
        first, _, _ = await line(store, "k", ("k", State.DEAD), "k")

        result = await store.settle(settled(await delivery_at(store, first)))

        assert result.next is None
        assert list(await store.due(EMR, NOW, 10)) == []

    async def test_a_recall_unparks_the_lane_and_closes_the_dead_letter(self, store: Store) -> None:
        first, second = await line(store, "k", "k")
        await store.settle(dead(await delivery_at(store, first), parks=True))

        accepted = await store.accept(acceptance(duty("k", recalls=True)))

        assert [each.sequence for each in accepted.nudged] == [second]
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [second]
        assert list(await store.deliveries(Query(open_dead=True))) == []
        assert (await delivery_at(store, first)).state is State.DEAD

    async def test_a_recall_of_a_parked_lane_without_others_may_leave_at_once(self, store: Store) -> None:
        (first,) = await line(store, "k")
        await store.settle(dead(await delivery_at(store, first), parks=True))

        accepted = await store.accept(acceptance(duty("k", recalls=True)))

        assert [each.recalls for each in accepted.ready] == [True]

    async def test_a_recall_leaves_the_dead_letter_of_another_route_alone(self, store: Store) -> None:
        (first,) = await line(store, "k")
        await store.settle(dead(await delivery_at(store, first), parks=True))

        accepted = await store.accept(acceptance(duty("k", route="results", recalls=True)))

        assert list(accepted.ready) == []
        assert len(await store.deliveries(Query(open_dead=True))) == 1

    # ------------------------------------------------------------- after a crash

    async def test_an_unknown_outcome_is_counted_once_per_attempt(self, store: Store) -> None:
        first, second = await line(store, "a", "b")
        await store.settle(settled(await delivery_at(store, second)))

        changed = await store.recover([(first, 1), (second, 1), (4711, 1)], NOW + 5)
        again = await store.recover([(first, 1)], NOW + 9)

        now = await delivery_at(store, first)
        assert (list(changed), list(again)) == ([first], [])
        assert (now.unknown, now.attempts, now.state) == (1, 1, State.RETRYING)
        assert [(each.number, each.result.word) for each in await store.attempts(first)] == [(1, "unknown")]

    async def test_a_held_delivery_stays_held_after_a_crash(self, store: Store) -> None:
        (first,) = await line(store, "a")
        await store.operate(operation(Verb.HOLD, first))

        await store.recover([(first, 1)], NOW)

        assert (await delivery_at(store, first)).state is State.HELD
