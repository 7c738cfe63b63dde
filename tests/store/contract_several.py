"""Deliveries that stand in several lanes, for every store: a merge waits for both patients' lanes, and holds both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import Conflict
from engine.model import Delivery, State
from engine.store.protocol import LaneEffect, NewDelivery, Query, Store, Verb
from tests.store.making import EMR, NOW, acceptance, dead, duty, operation, retrying, settled


def merge(first: str, *further: str, **more: object) -> NewDelivery:
    """Return a duty that stands in several lanes."""
    return replace(duty(first, **more), also=further)  # type: ignore[arg-type]  # the fields of NewDelivery, by name


class SeveralContract:
    """Lanes of several keys."""

    async def test_a_merge_waits_for_both_lanes(self, store: Store) -> None:
        a, b, both = await _put(store, duty("a"), duty("b"), merge("a", "b"))

        assert await _due(store) == [a, b]
        assert (await store.settle(settled(await _get(store, a)))).next is None
        freed = await store.settle(settled(await _get(store, b)))

        assert freed.next is not None and freed.next.sequence == both
        assert await _due(store) == [both]

    async def test_a_merge_holds_both_lanes_and_frees_both(self, store: Store) -> None:
        both, a, b, c = await _put(store, merge("a", "b"), duty("a"), duty("b"), duty("c"))

        assert await _due(store) == [both, c]
        result = await store.settle(settled(await _get(store, both)))

        assert result.next is not None and result.next.sequence == a
        assert [each.sequence for each in result.heads] == [b]
        assert result.heads[0].body is not None
        assert await _due(store) == [a, b, c]

    async def test_a_merge_that_is_tried_again_keeps_both_lanes(self, store: Store) -> None:
        both, _, _ = await _put(store, merge("a", "b"), duty("a"), duty("b"))

        result = await store.settle(retrying(await _get(store, both), NOW + 5))

        assert result.next is None and not result.heads
        assert await _due(store, NOW) == []

    async def test_merges_that_cross_go_by_their_sequence(self, store: Store) -> None:
        one, other = await _put(store, merge("a", "b"), merge("b", "a"))

        assert await _due(store) == [one]
        result = await store.settle(settled(await _get(store, one)))

        assert result.next is not None and result.next.sequence == other and not result.heads
        assert await _due(store) == [other]

    async def test_a_chain_of_merges_keeps_the_order_of_each_key(self, store: Store) -> None:
        ab, bc, cd, d = await _put(store, merge("a", "b"), merge("b", "c"), merge("c", "d"), duty("d"))
        order = []

        while due := await _due(store):
            order += due
            for sequence in due:
                await store.settle(settled(await _get(store, sequence)))

        assert order == [ab, bc, cd, d]

    async def test_the_same_key_twice_is_one_lane(self, store: Store) -> None:
        (twice,) = await _put(store, merge("a", "a", ""))

        assert await _due(store) == [twice]
        assert (await _get(store, twice)).also == ()

    async def test_a_delivery_knows_its_further_lanes(self, store: Store) -> None:
        accepted = await store.accept(acceptance(merge("a", "b", "c"), duty("b"), duty("c")))
        (ready,) = accepted.ready
        read = await _get(store, ready.sequence)
        (due,) = await store.due(EMR, NOW, 10)

        assert len(set(ready.also)) == 2
        assert set(read.also) == set(ready.also) == set(due.also)
        others = {row.delivery.lane for row in await store.deliveries(Query(limit=10)) if row.blocked}
        assert others == set(ready.also)

    async def test_a_dead_merge_parks_all_its_lanes_and_release_returns_to_all(self, store: Store) -> None:
        both, a, b = await _put(store, merge("a", "b"), duty("a"), duty("b"))
        result = await store.settle(dead(await _get(store, both), parks=True))
        (later,) = await _put(store, duty("b"))

        assert result.next is None and not result.heads
        assert await _due(store) == []
        await store.operate(operation(Verb.RELEASE, both))
        assert await _due(store) == [both]
        freed = await store.settle(settled(await _get(store, both)))
        assert freed.next is not None and freed.next.sequence == a
        assert [each.sequence for each in freed.heads] == [b]
        assert later not in await _due(store)

    async def test_a_discarded_merge_lets_all_its_lanes_go_on(self, store: Store) -> None:
        both, a, b = await _put(store, merge("a", "b"), duty("a"), duty("b"))
        await store.settle(dead(await _get(store, both), parks=True))

        await store.operate(operation(Verb.DISCARD, both))

        assert await _due(store) == [a, b]

    async def test_a_dead_merge_that_skips_frees_all_its_lanes(self, store: Store) -> None:
        both, a, b = await _put(store, merge("a", "b"), duty("a"), duty("b"))

        await store.settle(dead(await _get(store, both), parks=False))

        assert await _due(store) == [a, b]

    async def test_a_merge_that_is_born_dead_parks_all_its_lanes(self, store: Store) -> None:
        await _put(store, merge("a", "b", state=State.DEAD, reason="phi", parks=True), duty("a"), duty("b"))

        assert await _due(store) == []

    async def test_a_dead_letter_in_the_further_lane_stops_the_merge(self, store: Store) -> None:
        stopped, both = await _put(store, duty("b"), merge("a", "b"))
        await store.settle(dead(await _get(store, stopped), parks=True))

        assert await _due(store) == []
        await store.operate(operation(Verb.DISCARD, stopped))
        assert await _due(store) == [both]

    async def test_a_released_dead_letter_takes_its_place_before_a_merge(self, store: Store) -> None:
        before, both = await _put(store, duty("b"), merge("a", "b"))
        await store.settle(dead(await _get(store, before), parks=False))
        assert await _due(store) == [both]

        await store.operate(operation(Verb.RELEASE, before))

        assert await _due(store) == [before]

    async def test_a_dead_merge_that_was_passed_in_one_lane_is_not_released_quietly(
        self, store: Store
    ) -> None:
        both, b = await _put(store, merge("a", "b"), duty("b"))
        await store.settle(dead(await _get(store, both), parks=False))
        await store.settle(settled(await _get(store, b)))

        with pytest.raises(Conflict):
            await store.operate(operation(Verb.RELEASE, both))
        await store.operate(operation(Verb.RELEASE, both, out_of_order=True))
        assert await _due(store) == [both]

    async def test_a_recall_that_closes_a_dead_merge_frees_its_other_lane(self, store: Store) -> None:
        both, b = await _put(store, merge("a", "b"), duty("b"))
        await store.settle(dead(await _get(store, both), parks=True))

        accepted = await store.accept(acceptance(duty("a", recalls=True)))

        assert [each.recalls for each in accepted.ready] == [True]
        assert [each.sequence for each in accepted.nudged] == [b]
        assert b in await _due(store)

    async def test_a_merge_that_is_resent_stands_in_all_its_lanes_again(self, store: Store) -> None:
        (both,) = await _put(store, merge("a", "b"))
        await store.settle(settled(await _get(store, both)))
        (b,) = await _put(store, duty("b"))

        again = await store.operate(operation(Verb.RESEND, both))
        (last,) = await _put(store, duty("a"))

        assert await _due(store) == [b]
        await store.settle(settled(await _get(store, b)))
        assert await _due(store) == [again.sequence]
        result = await store.settle(settled(await _get(store, again.sequence)))
        assert result.next is not None and result.next.sequence == last

    async def test_a_merge_that_awaits_may_free_its_lanes(self, store: Store) -> None:
        both, a, b = await _put(store, merge("a", "b"), duty("a"), duty("b"))

        result = await store.settle(settled(await _get(store, both), State.AWAITING, LaneEffect.FREE))

        assert result.next is not None and len(result.heads) == 1
        assert await _due(store) == [a, b]
        await store.settle(settled(await _get(store, both)))
        assert await _due(store) == [a, b]

    async def test_a_merge_that_awaited_and_died_stops_both_lanes(self, store: Store) -> None:
        both, a, b = await _put(store, merge("a", "b"), duty("a"), duty("b"))
        await store.settle(settled(await _get(store, both), State.AWAITING, LaneEffect.FREE))

        await store.settle(dead(await _get(store, both), parks=True))

        assert await _due(store) == []
        await store.operate(operation(Verb.DISCARD, both))
        assert await _due(store) == [a, b]

    async def test_the_kind_that_is_handed_on_reaches_a_merge_that_waits_elsewhere(
        self, store: Store
    ) -> None:
        first, _, both = await _put(store, duty("a", kind="booked"), duty("b"), merge("a", "b", kind="moved"))

        await store.settle(
            settled(await _get(store, first), State.SUPERSEDED, attempt=None, pass_kind="booked")
        )

        assert (await _get(store, both)).kind == "booked"


async def _put(store: Store, *duties: NewDelivery) -> list[int]:
    """Accept each in a message of its own; return their sequences."""
    found = []
    for each in duties:
        accepted = await store.accept(acceptance(each))
        (row,) = await store.deliveries(Query(id=accepted.message_id))
        found.append(row.delivery.sequence)
    return found


async def _get(store: Store, sequence: int) -> Delivery:
    rows = await store.deliveries(Query(limit=1000))
    return next(row.delivery for row in rows if row.delivery.sequence == sequence)


async def _due(store: Store, now_ms: int = NOW) -> list[int]:
    return sorted(each.sequence for each in await store.due(EMR, now_ms, 1000))
