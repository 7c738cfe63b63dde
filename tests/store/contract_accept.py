"""What every store does with a message at the door: once, durable, with its duties, or turned away."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Conflict, NotFound
from engine.model import INLINE_LIMIT, Body, Disposition, Hop, State
from engine.store.protocol import Query, Rendering, Store
from tests.store.making import (
    DAY,
    EMR,
    MAIL,
    NOW,
    WEEK,
    acceptance,
    duty,
    message,
    refusal,
    retrying,
    settled,
)


class AcceptContract:
    """Accept, refuse, duplicates and collisions."""

    async def test_an_accepted_message_can_be_read_back(self, store: Store) -> None:
        given = message("booked-1")

        accepted = await store.accept(acceptance(duty(), of=given))

        row = await store.message(given.id)
        assert accepted.disposition is Disposition.ACCEPTED
        assert (accepted.message, accepted.message_id, accepted.reply) == (
            row.sequence,
            given.id,
            b"accepted",
        )
        assert (row.listener, row.partner, row.codec) == ("public", "platform", "json")
        assert (row.control_id, row.received_ms, row.size) == ("booked-1", NOW, given.body.size)
        assert row.sha256 == given.body.sha256

    async def test_content_comes_back_by_role(self, store: Store) -> None:
        given = acceptance(duty(), keys=[("mrn", "1234"), ("appointment", "a-1")])

        sequence = (await store.accept(given)).message

        raw = await store.body(sequence, "raw")
        assert raw is not None and raw.data == given.message.body.data
        assert raw.content_type == "application/cloudevents+json"
        assert (await _text(store, sequence, "reply")) == "accepted"
        assert (await _text(store, sequence, "rendered:mail")) == "a notice"
        assert (await _text(store, sequence, "headers")) == '{"traceparent":"00-1-2-01"}'
        assert (await _text(store, sequence, "keys")) == '[["mrn","1234"],["appointment","a-1"]]'
        assert await store.body(sequence, "rendered:sms") is None

    async def test_what_may_leave_at_once_is_returned_with_its_body(self, store: Store) -> None:
        given = acceptance(duty("k"), duty("k"), duty())

        accepted = await store.accept(given)

        first, alone = accepted.ready
        assert first.sequence < alone.sequence
        assert first.message_id == given.message.id
        assert first.body is not None and first.body.data == b"for " + given.message.id.encode()
        assert first.body.content_type == "application/json"
        assert (first.route, first.destination, first.endpoint, first.accepted_ms) == (
            "appointment",
            EMR,
            EMR,
            NOW,
        )

    async def test_a_rendering_that_equals_what_came_in_is_found_under_its_own_type(
        self, store: Store
    ) -> None:
        given = message()
        same = Rendering("rendered", given.body, "application/hl7-v2")

        accepted = await store.accept(acceptance(duty(), of=given, renderings=[same]))

        body = await store.body(accepted.message, "rendered")
        assert body is not None
        assert (body.data, body.content_type) == (given.body.data, "application/hl7-v2")

    async def test_a_large_body_comes_back_as_a_file(self, store: Store) -> None:
        large = bytes(range(256)) * (INLINE_LIMIT // 256 + 1)
        given = message(body=large)

        accepted = await store.accept(acceptance(duty(), of=given))

        body = await store.body(accepted.message, "raw")
        assert body is not None and body.data is None
        assert body.read() == large
        assert (body.size, body.sha256) == (len(large), given.body.sha256)

    async def test_a_part_travels_under_its_own_id(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty(part=1, message_id="01PART00000000000001")))

        (delivery,) = accepted.ready
        assert (delivery.message_id, delivery.part) == ("01PART00000000000001", 1)
        assert (await store.message("01PART00000000000001")).sequence == accepted.message

    async def test_a_display_id_leads_to_its_message(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty()))

        assert (await store.message(f"{accepted.message_id}-2")).sequence == accepted.message

    async def test_an_unknown_id_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.message("0000000000000000000X")

    async def test_an_id_that_exists_is_a_conflict_and_harms_nobody_beside_it(self, store: Store) -> None:
        given = message("one")
        await store.accept(acceptance(duty(), of=given))

        async def again() -> None:
            with pytest.raises(Conflict):
                await store.accept(acceptance(duty(), of=given, window=0))

        _, beside = await asyncio.gather(again(), store.accept(acceptance(duty())))

        assert beside.disposition is Disposition.ACCEPTED
        assert (await store.tally()).created == 2

    # ------------------------------------------------------------- duplicates (G4)

    async def test_a_copy_gets_the_stored_reply_and_queues_nothing(self, store: Store) -> None:
        first = await store.accept(acceptance(duty(), of=message("same"), reply=b"first reply"))

        copy = await store.accept(acceptance(duty(), of=message("same"), reply=b"another reply"))

        assert copy.disposition is Disposition.DUPLICATE
        assert (copy.message, copy.message_id, copy.reply) == (
            first.message,
            first.message_id,
            b"first reply",
        )
        assert (await store.tally()).created == 1

    async def test_a_copy_beside_the_first_gets_the_first_ones_answer(self, store: Store) -> None:
        copies = [acceptance(duty(), of=message("same"), reply=b"%d" % number) for number in range(8)]

        answers = await asyncio.gather(*(store.accept(each) for each in copies))

        assert len({answer.message for answer in answers}) == 1
        assert len({answer.reply for answer in answers}) == 1
        assert (await store.tally()).created == 1

    async def test_after_its_window_an_id_is_new_again(self, store: Store) -> None:
        await store.accept(acceptance(duty(), of=message("same"), window=DAY))

        later = await store.accept(acceptance(duty(), of=message("same", at_ms=NOW + DAY + 1), window=DAY))

        assert later.disposition is Disposition.ACCEPTED

    async def test_the_window_reaches_over_midnight(self, store: Store) -> None:
        await store.accept(acceptance(duty(), of=message("same"), window=WEEK))

        later = await store.accept(acceptance(duty(), of=message("same", at_ms=NOW + WEEK - 1), window=WEEK))

        assert later.disposition is Disposition.DUPLICATE

    async def test_without_a_window_a_repetition_is_wanted(self, store: Store) -> None:
        await store.accept(acceptance(duty(), of=message("same")))

        again = await store.accept(acceptance(duty(), of=message("same"), window=0))

        assert again.disposition is Disposition.ACCEPTED

    @pytest.mark.parametrize(
        ("listener", "partner"), [("other", "platform"), ("public", "other"), ("public", None)]
    )
    async def test_an_id_belongs_to_its_listener_and_partner(
        self, store: Store, listener: str, partner: str | None
    ) -> None:
        await store.accept(acceptance(duty(), of=message("same")))

        other = await store.accept(acceptance(duty(), of=message("same", listener=listener, partner=partner)))

        assert other.disposition is Disposition.ACCEPTED

    async def test_a_known_id_with_another_body_is_accepted_and_flagged(self, store: Store) -> None:
        await store.accept(acceptance(duty(), of=message("same", b"one")))

        other = await store.accept(acceptance(duty(), of=message("same", b"two")))

        assert other.disposition is Disposition.COLLISION
        assert len(other.ready) == 1
        assert (await store.messages(Query(dispositions=(Disposition.COLLISION,))))[0].flags != 0

    async def test_each_of_two_colliding_bodies_has_its_own_copies(self, store: Store) -> None:
        one = await store.accept(acceptance(of=message("same", b"one"), reply=b"1"))
        two = await store.accept(acceptance(of=message("same", b"two"), reply=b"2"))

        copies = [await store.accept(acceptance(of=message("same", body))) for body in (b"one", b"two")]

        assert [(copy.message, copy.reply) for copy in copies] == [(one.message, b"1"), (two.message, b"2")]

    async def test_a_collision_that_is_refused_is_kept_without_duties(self, store: Store) -> None:
        await store.accept(acceptance(duty(), of=message("same", b"one")))
        given = message("same", b"two")

        refused = await store.accept(acceptance(duty(), of=given, collision="refuse"))

        assert (refused.disposition, refused.reply, list(refused.ready)) == (
            Disposition.COLLISION,
            b"conflict",
            [],
        )
        assert (await _text(store, (await store.message(given.id)).sequence, "reply")) == "conflict"
        assert (await store.tally()).created == 1

    # ------------------------------------------------------------- refusals

    async def test_a_refused_message_is_kept_with_its_faults_and_without_duties(self, store: Store) -> None:
        given = message("bad")

        await store.refuse(refusal(given))

        row = await store.message(given.id)
        assert row.disposition is Disposition.REFUSED
        assert (await _text(store, row.sequence, "reply")) == "refused"
        assert "appointment.end" in (await _text(store, row.sequence, "faults") or "")
        assert [entry.action for entry in await store.journal.rows(message=row.sequence)] == ["refuse"]

    async def test_a_refusal_is_evaluated_again(self, store: Store) -> None:
        await store.refuse(refusal(message("same")))

        accepted = await store.accept(acceptance(duty(), of=message("same")))

        assert accepted.disposition is Disposition.ACCEPTED

    # ------------------------------------------------------------- states that a duty may begin in

    async def test_filtered_dead_and_held_duties_are_stored_as_given(self, store: Store) -> None:
        accepted = await store.accept(
            acceptance(
                duty(state=State.FILTERED, reason="when"),
                duty(state=State.DEAD, reason="unrenderable"),
                duty(state=State.HELD, reason="asked"),
                duty(),
            )
        )

        rows = await store.deliveries(Query(id=accepted.message_id))
        found = {row.delivery.state: (row.delivery.reason, row.open) for row in rows}
        assert [delivery.state for delivery in accepted.ready] == [State.PENDING]
        assert found == {
            State.FILTERED: ("when", False),
            State.DEAD: ("unrenderable", True),
            State.HELD: ("asked", False),
            State.PENDING: ("", False),
        }

    async def test_a_duty_begins_neither_delivered_nor_in_flight(self, store: Store) -> None:
        for state in (State.DELIVERED, State.DELIVERED_BY_FALLBACK, State.IN_FLIGHT):
            with pytest.raises(Conflict):
                await store.accept(acceptance(duty(state=state)))

    async def test_a_message_without_a_duty_is_accepted_all_the_same(self, store: Store) -> None:
        accepted = await store.accept(acceptance())

        assert (accepted.disposition, list(accepted.ready)) == (Disposition.ACCEPTED, [])

    # ------------------------------------------------------------- a message that is routed later

    async def test_a_stored_message_is_routed_by_its_settlement(self, store: Store) -> None:
        route = duty("k", chain=(Hop("route:appointment", "raw"),), destination="", kind="route")
        accepted = await store.accept(acceptance(route, renderings=[]))
        (waiting,) = accepted.ready
        made = Rendering("rendered", Body.of(b"made later"), "application/json")

        result = await store.settle(
            settled(waiting, attempt=None, spawn=[duty("p")], renderings=[made], keys=[("mrn", "77")])
        )

        (spawned,) = result.ready
        assert spawned.body is not None and spawned.body.data == b"made later"
        assert (spawned.message_id, spawned.accepted_ms) == (accepted.message_id, NOW)
        assert (await _text(store, accepted.message, "rendered")) == "made later"
        assert [row.id for row in await store.messages(Query(key=("mrn", "77")))] == [accepted.message_id]
        assert (await _text(store, accepted.message, "keys")) == '[["mrn","77"]]'

    async def test_what_waits_to_be_routed_is_due_under_no_endpoint(self, store: Store) -> None:
        await store.accept(acceptance(duty(chain=(), destination="", kind="route")))

        assert [delivery.kind for delivery in await store.due("", NOW, 10)] == ["route"]

    async def test_the_mail_hop_gets_its_own_body(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k")))
        (delivery,) = accepted.ready
        await store.settle(retrying(delivery, NOW, hop=2))

        (moved,) = await store.due(MAIL, NOW, 10)
        body = await store.body(moved.message, moved.chain[moved.hop].rendering, moved.part)
        assert body is not None and body.data == b"a notice"


async def _text(store: Store, message: int, role: str) -> str | None:
    body = await store.body(message, role)
    return None if body is None else body.read().decode()
