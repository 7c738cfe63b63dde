"""What every store remembers: searches, attempts, counts, and what retention takes away."""

from __future__ import annotations

import pytest

from engine.model import Disposition, Hop, Result, State
from engine.store.protocol import AttemptRow, Query, Store
from tests.store.making import (
    DAY,
    EMR,
    NOW,
    QUEUE,
    WEEK,
    acceptance,
    dead,
    duty,
    message,
    refusal,
    retrying,
    settled,
)


class ArchiveContract:
    """Searches, counts, purge."""

    # ------------------------------------------------------------- searching

    async def test_a_search_gives_the_newest_first_and_pages(self, store: Store) -> None:
        ids = [(await store.accept(acceptance())).message_id for _ in range(5)]

        first = await store.messages(Query(limit=2))
        rest = await store.messages(Query(limit=10, before=first[-1].sequence))

        assert [row.id for row in (*first, *rest)] == ids[::-1]

    async def test_a_search_by_business_key_finds_exactly_its_messages(self, store: Store) -> None:
        wanted = await store.accept(acceptance(keys=[("mrn", "1234")]))
        await store.accept(acceptance(keys=[("mrn", "12345"), ("visit", "1234")]))

        found = await store.messages(Query(key=("mrn", "1234")))

        assert [row.id for row in found] == [wanted.message_id]
        assert list(await store.messages(Query(key=("unknown", "1234")))) == []

    async def test_a_search_by_key_reaches_over_months(self, store: Store) -> None:
        for at_ms in (NOW, NOW + 40 * DAY):
            await store.accept(acceptance(of=message(at_ms=at_ms), keys=[("mrn", "1")]))

        assert len(await store.messages(Query(key=("mrn", "1")))) == 2

    @pytest.mark.parametrize(
        "query",
        [
            Query(partner="hospital"),
            Query(listener="adt"),
            Query(partner="hospital", listener="adt"),
            Query(endpoint="other.emr"),
            Query(route="results"),
            Query(states=(State.PENDING,), endpoint="other.emr"),
            Query(since_ms=NOW + DAY, until_ms=NOW + 2 * DAY),
            Query(partner="hospital", since_ms=NOW + DAY),
        ],
    )
    async def test_every_field_of_a_search_narrows(self, store: Store, query: Query) -> None:
        await store.accept(acceptance(duty()))
        wanted = await store.accept(
            acceptance(
                duty(chain=(Hop("other.emr"),), route="results"),
                of=message(partner="hospital", listener="adt", at_ms=NOW + DAY),
            )
        )

        assert [row.id for row in await store.messages(query)] == [wanted.message_id]
        assert [row.delivery.message for row in await store.deliveries(query)] == [wanted.message]

    async def test_a_search_by_state_finds_waiting_and_ended(self, store: Store) -> None:
        for end in (State.DELIVERED, State.EXPIRED, State.RETRYING):
            (delivery,) = (await store.accept(acceptance(duty()))).ready
            await store.settle(settled(delivery, end))

        for state in (State.DELIVERED, State.EXPIRED, State.RETRYING):
            rows = await store.deliveries(Query(states=(state,)))
            assert [row.delivery.state for row in rows] == [state]
            assert [row.sequence for row in await store.messages(Query(states=(state,)))] == [
                rows[0].delivery.message
            ]
        assert len(await store.deliveries(Query(states=(State.DELIVERED, State.RETRYING)))) == 2

    async def test_a_search_by_disposition_finds_what_was_turned_away(self, store: Store) -> None:
        await store.accept(acceptance(duty()))
        await store.refuse(refusal())

        (row,) = await store.messages(Query(dispositions=(Disposition.REFUSED,)))
        assert row.disposition is Disposition.REFUSED
        assert len(await store.messages(Query(dispositions=(Disposition.ACCEPTED,)))) == 1

    async def test_a_search_for_names_that_nobody_used_finds_nothing(self, store: Store) -> None:
        await store.accept(acceptance(duty()))

        for query in (Query(partner="nobody"), Query(endpoint="nobody.home"), Query(route="none")):
            assert list(await store.messages(query)) == []
            assert list(await store.deliveries(query)) == []

    async def test_open_dead_letters_are_a_list_of_their_own(self, store: Store) -> None:
        dying = (await store.accept(acceptance(duty("k")))).ready[0]
        await store.accept(acceptance(duty("other")))
        await store.settle(dead(dying, parks=True))

        (row,) = await store.deliveries(Query(open_dead=True))
        assert (row.delivery.sequence, row.open, row.delivery.reason) == (dying.sequence, True, "budget")
        assert [each.sequence for each in await store.messages(Query(open_dead=True))] == [dying.message]

    async def test_a_delivery_row_says_who_waits_and_when_it_ended(self, store: Store) -> None:
        (first,) = (await store.accept(acceptance(duty("k")))).ready
        await store.accept(acceptance(duty("k")))
        waiting, head = await store.deliveries(Query())
        await store.settle(settled(first))

        ended = (await store.deliveries(Query(states=(State.DELIVERED,))))[0]
        assert (waiting.blocked, head.blocked, head.settled_ms) == (True, False, 0)
        assert ended.settled_ms == NOW

    # ------------------------------------------------------------- attempts

    async def test_attempts_are_kept_in_order_with_the_partners_answer(self, store: Store) -> None:
        (delivery,) = (await store.accept(acceptance(duty("k")))).ready
        failed = AttemptRow(EMR, 1, NOW, 30_000, Result.UNKNOWN, "timeout", "no answer", b"")
        result = await store.settle(retrying(delivery, NOW, attempt=failed))
        rows = [row.delivery for row in await store.deliveries(Query())]
        await store.settle(settled(rows[0]))

        first, second = await store.attempts(delivery.sequence)
        assert first == failed
        assert (second.number, second.result, second.code, second.evidence) == (
            2,
            Result.DELIVERED,
            "202",
            b"thanks",
        )
        evidence = await store.body(delivery.message, f"evidence:{delivery.sequence}:2")
        assert evidence is not None and evidence.data == b"thanks"
        assert result.revision == 1

    async def test_a_large_answer_is_kept_whole(self, store: Store) -> None:
        (delivery,) = (await store.accept(acceptance(duty()))).ready
        said = bytes(range(256)) * 4096
        attempt = AttemptRow(EMR, 1, NOW, 30, Result.DELIVERED, "AA", "", said)
        await store.settle(settled(delivery, attempt=attempt))
        assert [each.evidence for each in await store.attempts(delivery.sequence)] == [said]

    # ------------------------------------------------------------- counts (G2)

    async def test_the_tally_is_conserved_and_agrees_with_the_rows(self, store: Store) -> None:
        ready = [(await store.accept(acceptance(duty("k"), duty()))).ready for _ in range(3)]
        await store.settle(settled(ready[0][0]))
        await store.settle(retrying(ready[0][1], NOW, hop=1))
        await store.settle(dead(ready[1][0], parks=False))

        tally = await store.tally()
        rows = await store.deliveries(Query(limit=100))

        assert tally.conserved and tally.created == len(rows) == 6
        for state in State:
            assert tally.states[state] == sum(row.delivery.state is state for row in rows)
        for endpoint in (EMR, QUEUE):
            count = sum(n for (name, _), n in tally.endpoints.items() if name == endpoint)
            assert count == sum(row.delivery.endpoint == endpoint for row in rows)
        assert sum(n for (name, _), n in tally.routes.items() if name == "appointment") == 6

    async def test_the_tally_knows_how_old_the_oldest_of_a_route_is(self, store: Store) -> None:
        ready = [
            (await store.accept(acceptance(duty("k"), of=message(at_ms=NOW + number)))).ready
            for number in range(3)
        ]
        before = dict((await store.tally()).oldest_ms)

        await store.settle(settled(ready[0][0]))

        assert before == {"appointment": NOW}
        assert dict((await store.tally()).oldest_ms) == {"appointment": NOW + 1}

    async def test_partners_can_compare_their_days(self, store: Store) -> None:
        for at_ms in (NOW, NOW, NOW + DAY):
            await store.accept(acceptance(of=message(at_ms=at_ms)))
        await store.refuse(refusal())

        assert sorted(await store.partner_days(NOW)) == [
            ("platform", "2026-11-02", "accepted", 2),
            ("platform", "2026-11-02", "refused", 1),
            ("platform", "2026-11-03", "accepted", 1),
        ]
        assert [row[1] for row in await store.partner_days(NOW + DAY)] == ["2026-11-03"]

    # ------------------------------------------------------------- retention

    async def test_a_purge_takes_content_and_leaves_rows_and_journal(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k"), keys=[("mrn", "1234")]))
        (delivery,) = accepted.ready
        await store.settle(settled(delivery))
        before = len(await store.journal.rows())

        purged = await store.purge(NOW + 1, 10)

        assert purged == 1
        for role in ("raw", "reply", "headers", "rendered", f"evidence:{delivery.sequence}:1"):
            assert await store.body(accepted.message, role) is None
        assert list(await store.messages(Query(key=("mrn", "1234")))) == []
        assert (await store.message(accepted.message_id)).sha256 != b""
        assert [each.evidence for each in await store.attempts(delivery.sequence)] == [b""]
        assert len(await store.journal.rows()) == before + 1
        assert (await store.tally()).created == 1

    async def test_a_purge_leaves_what_has_not_ended(self, store: Store) -> None:
        waiting = await store.accept(acceptance(duty("a"), duty("b")))
        await store.settle(settled(waiting.ready[0]))
        dying = await store.accept(acceptance(duty("c")))
        await store.settle(dead(dying.ready[0], parks=False))

        assert await store.purge(NOW + WEEK, 10) == 0
        assert await store.body(waiting.message, "rendered") is not None
        assert await store.body(dying.message, "rendered") is not None

    async def test_a_purge_leaves_what_is_younger_and_stops_at_its_limit(self, store: Store) -> None:
        for number in range(4):
            await store.accept(acceptance(of=message(at_ms=NOW + number * DAY)))

        assert await store.purge(NOW + 3 * DAY, 2) == 2
        assert await store.purge(NOW + 3 * DAY, 10) == 1
        assert await store.purge(NOW + 3 * DAY, 10) == 0

    async def test_a_purged_message_is_still_a_duplicate_within_its_window(self, store: Store) -> None:
        await store.accept(acceptance(of=message("same")))
        await store.purge(NOW + 1, 10)

        again = await store.accept(acceptance(of=message("same")))

        assert (again.disposition, again.reply) == (Disposition.DUPLICATE, b"accepted")
