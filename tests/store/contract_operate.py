"""What operators do to deliveries, on every store: release, discard, resend, hold, retry; each journalled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.errors import Conflict, NotFound
from engine.model import Delivery, State
from engine.store.protocol import LaneEffect, Operation, Query, Store, Verb
from tests.store.making import EMR, NOW, WEEK, acceptance, dead, duty, operation, retrying, settled


class OperateContract:
    """Operations and what they refuse."""

    # ------------------------------------------------------------- release

    async def test_a_released_dead_letter_is_the_same_row_at_the_same_place(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=True)

        released = await store.operate(operation(Verb.RELEASE, first))

        assert (released.sequence, released.state, released.generation) == (first, State.PENDING, 1)
        assert (released.hop, released.attempts, released.reason) == (0, 0, "")
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first]
        result = await store.settle(settled(released))
        assert result.next is not None and result.next.sequence == second

    async def test_a_release_blocks_the_head_of_a_lane_that_went_on(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=False)
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [second]

        await store.operate(operation(Verb.RELEASE, first))

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first]

    async def test_a_release_waits_behind_what_is_earlier_in_its_lane(self, store: Store) -> None:
        accepted = [await store.accept(acceptance(duty("k"))) for _ in range(2)]
        first = accepted[0].ready[0]
        second = await _only(store, accepted[1].message_id)
        await store.settle(retrying(first, NOW))
        await store.settle(dead(second, parks=False))

        await store.operate(operation(Verb.RELEASE, second.sequence))

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first.sequence]

    async def test_a_release_that_was_overtaken_is_a_conflict(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=False)
        await store.settle(settled(await _get(store, second)))

        with pytest.raises(Conflict):
            await store.operate(operation(Verb.RELEASE, first))

        released = await store.operate(operation(Verb.RELEASE, first, out_of_order=True))
        assert released.state is State.PENDING

    async def test_a_later_dead_letter_does_not_count_as_overtaking(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=False)
        await store.settle(dead(await _get(store, second), parks=False))

        assert (await store.operate(operation(Verb.RELEASE, first))).state is State.PENDING

    async def test_only_a_dead_letter_is_released(self, store: Store) -> None:
        (delivery,) = (await store.accept(acceptance(duty("k")))).ready

        with pytest.raises(Conflict):
            await store.operate(operation(Verb.RELEASE, delivery.sequence))

    async def test_a_released_dead_letter_may_die_again_and_counts_anew(self, store: Store) -> None:
        first, _ = await _dead_then_waiting(store, parks=True)
        released = await store.operate(operation(Verb.RELEASE, first))

        await store.settle(dead(released, parks=True))

        assert [each.number for each in await store.attempts(first)] == [1, 1]
        assert list(await store.due(EMR, NOW, 10)) == []

    # ------------------------------------------------------------- discard

    async def test_a_discard_closes_the_dead_letter_and_frees_its_lane(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=True)

        discarded = await store.operate(operation(Verb.DISCARD, first))

        assert discarded.state is State.DEAD
        assert list(await store.deliveries(Query(open_dead=True))) == []
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [second]

    async def test_a_discarded_dead_letter_is_neither_released_nor_discarded_again(
        self, store: Store
    ) -> None:
        first, _ = await _dead_then_waiting(store, parks=True)
        await store.operate(operation(Verb.DISCARD, first))

        for verb in (Verb.RELEASE, Verb.DISCARD):
            with pytest.raises(Conflict):
                await store.operate(operation(verb, first))

    async def test_two_dead_letters_stop_a_lane_until_both_are_closed(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=True)
        await store.operate(operation(Verb.RELEASE, first))
        await store.settle(dead(await _get(store, first), parks=False))
        await store.settle(dead(await _get(store, second), parks=True))
        third = await store.accept(acceptance(duty("k")))

        await store.operate(operation(Verb.DISCARD, first))
        blocked = list(await store.due(EMR, NOW, 10))
        await store.operate(operation(Verb.DISCARD, second))

        assert blocked == []
        assert [each.message for each in await store.due(EMR, NOW, 10)] == [third.message]

    # ------------------------------------------------------------- resend

    async def test_a_resend_is_a_new_delivery_of_the_same_bytes_under_the_same_id(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", kind="booked")))
        (first,) = accepted.ready
        await store.settle(settled(first))

        again = await store.operate(operation(Verb.RESEND, first.sequence))

        assert again.sequence > first.sequence
        assert (again.message_id, again.state, again.attempts) == (first.message_id, State.PENDING, 0)
        assert (again.kind, again.chain, again.lane) == (first.kind, first.chain, first.lane)
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [again.sequence]
        assert (await store.tally()).created == 2

    async def test_a_resend_may_have_an_id_of_its_own(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first))

        again = await store.operate(operation(Verb.RESEND, first.sequence, new_id="01NEW000000000000001"))

        assert again.message_id == "01NEW000000000000001"
        assert (await store.message("01NEW000000000000001")).sequence == first.message

    async def test_a_resend_waits_its_turn_in_the_lane(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first))
        (busy,) = (await store.accept(acceptance(duty("k")))).ready

        await store.operate(operation(Verb.RESEND, first.sequence))

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [busy.sequence]

    async def test_what_is_still_under_way_is_not_resent(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready

        with pytest.raises(Conflict):
            await store.operate(operation(Verb.RESEND, first.sequence))

    async def test_what_was_purged_is_not_resent(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first))
        await store.purge(NOW + WEEK, 10)

        with pytest.raises(NotFound):
            await store.operate(operation(Verb.RESEND, first.sequence))

    # ------------------------------------------------------------- hold, unhold, retry

    async def test_a_held_delivery_is_not_due_and_holds_its_lane(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.accept(acceptance(duty("k")))

        held = await store.operate(operation(Verb.HOLD, first.sequence))

        assert held.state is State.HELD
        assert list(await store.due(EMR, NOW, 10)) == []

    async def test_an_unheld_delivery_is_due_at_its_place(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.operate(operation(Verb.HOLD, first.sequence))

        await store.operate(operation(Verb.UNHOLD, first.sequence))

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first.sequence]

    async def test_no_deadline_ends_what_an_operator_holds(self, store: Store) -> None:
        given = acceptance(duty("k", deadline_ms=NOW + 5, expire_ms=NOW + 9))
        (first,) = (await store.accept(given)).ready

        held = await store.operate(operation(Verb.HOLD, first.sequence))
        overdue = list(await store.overdue(NOW + 10, 10))
        unheld = await store.operate(operation(Verb.UNHOLD, first.sequence))

        assert (held.deadline_ms, held.reason, overdue) == (None, "asked by the clinic", [])
        assert (unheld.deadline_ms, unheld.reason) == (NOW + 9, "")

    async def test_a_parked_delivery_is_released_at_its_place(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first, State.PARKED, LaneEffect.KEEP))
        await store.accept(acceptance(duty("k")))

        await store.operate(operation(Verb.RELEASE, first.sequence))

        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [first.sequence]

    async def test_a_waiting_retry_can_be_made_due_now(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        result = await store.settle(retrying(first, NOW + 60_000))

        hastened = await store.operate(operation(Verb.RETRY_NOW, first.sequence))

        assert (hastened.due_ms, hastened.revision) == (NOW, result.revision)

    @pytest.mark.parametrize("verb", [Verb.HOLD, Verb.UNHOLD, Verb.RETRY_NOW, Verb.DISCARD, Verb.RELEASE])
    async def test_what_was_delivered_is_left_alone(self, store: Store, verb: Verb) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.settle(settled(first))

        with pytest.raises(Conflict):
            await store.operate(operation(verb, first.sequence))

    async def test_an_operation_on_nothing_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.operate(operation(Verb.RELEASE, 4711))

    # ------------------------------------------------------------- the journal of it

    async def test_every_operation_is_journalled_with_its_actor_and_reason(self, store: Store) -> None:
        first, _ = await _dead_then_waiting(store, parks=True)

        await store.operate(Operation(Verb.DISCARD, first, "marie", "sent by fax", NOW + 77))

        row = (await store.journal.rows(delivery=first))[-1]
        assert (row.action, row.actor, row.detail, row.at_ms) == ("discard", "marie", "sent by fax", NOW + 77)

    async def test_counts_stay_conserved_over_every_operation(self, store: Store) -> None:
        first, second = await _dead_then_waiting(store, parks=True)
        steps: Sequence[Operation] = (
            operation(Verb.RELEASE, first),
            operation(Verb.HOLD, first),
            operation(Verb.UNHOLD, first),
            operation(Verb.HOLD, second),
        )
        for step in steps:
            await store.operate(step)
        await store.settle(settled(await _get(store, first)))
        await store.operate(operation(Verb.RESEND, first))

        tally = await store.tally()
        assert tally.conserved
        assert tally.created == 3
        assert (tally.states[State.DELIVERED], tally.states[State.HELD], tally.states[State.PENDING]) == (
            1,
            1,
            1,
        )


async def _dead_then_waiting(store: Store, *, parks: bool) -> tuple[int, int]:
    """Return a dead letter and what stands behind it in its lane."""
    (first,) = (await store.accept(acceptance(duty("k")))).ready
    second = await store.accept(acceptance(duty("k")))
    await store.settle(dead(first, parks=parks))
    return first.sequence, (await _only(store, second.message_id)).sequence


async def _only(store: Store, identifier: str) -> Delivery:
    (row,) = await store.deliveries(Query(id=identifier))
    return row.delivery


async def _get(store: Store, sequence: int) -> Delivery:
    rows = await store.deliveries(Query(limit=10_000))
    return next(row.delivery for row in rows if row.delivery.sequence == sequence)
