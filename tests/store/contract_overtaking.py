"""Supersede and recall, for every store: what a newer delivery of a lane does to the older ones that wait there."""

from __future__ import annotations

from engine.model import Body, Disposition, State
from engine.store.protocol import Overtaking, Rendering, Store
from tests.store.making import (
    CHAIN,
    EMR,
    NOW,
    acceptance,
    dead,
    duty,
    retrying,
    settled,
)


class OvertakingContract:
    """Newer versions, recalls, and kinds that are passed on."""

    async def test_a_newer_version_nudges_the_waiting_head(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", version=1, supersedes=True)))
        (head,) = accepted.ready
        await store.settle(retrying(head, NOW + 60_000))

        newer = await store.accept(acceptance(duty("k", version=2, supersedes=True)))

        (nudged,) = newer.nudged
        assert nudged.sequence == head.sequence
        assert [each.sequence for each in await store.due(EMR, NOW, 10)] == [head.sequence]
        assert await store.overtaking(nudged) == Overtaking(2, False)

    async def test_an_older_version_nudges_nobody(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", version=5, supersedes=True)))
        await store.settle(retrying(accepted.ready[0], NOW + 60_000))

        older = await store.accept(acceptance(duty("k", version=4, supersedes=True)))

        assert list(older.nudged) == []
        assert list(await store.due(EMR, NOW, 10)) == []

    async def test_overtaking_knows_the_highest_version_and_any_recall(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", version=1, supersedes=True)))
        for version in (3, 2):
            await store.accept(acceptance(duty("k", version=version, supersedes=True)))
        head = accepted.ready[0]
        before = await store.overtaking(head)

        await store.accept(acceptance(duty("k", version=4, recalls=True)))

        assert before == Overtaking(3, False)
        assert (await store.overtaking(head)).recalled

    async def test_overtaking_does_not_look_across_routes(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", version=1, supersedes=True)))

        await store.accept(acceptance(duty("k", route="results", version=9, supersedes=True, recalls=True)))

        assert await store.overtaking(accepted.ready[0]) == Overtaking(None, False)

    async def test_a_nudge_does_not_disturb_who_works_on_the_head(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", version=1, supersedes=True)))
        head = accepted.ready[0]
        await store.accept(acceptance(duty("k", version=2, supersedes=True)))

        result = await store.settle(settled(head))

        assert result.next is not None and result.next.version == 2

    async def test_a_passed_kind_brings_its_rendering(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", kind="booked", version=1, supersedes=True)))
        renderings = [
            Rendering("rendered", Body.of(b"modified"), "application/json"),
            Rendering("rendered:as:booked", Body.of(b"as booked"), "application/json"),
            Rendering("rendered:mail", Body.of(b"a notice"), "text/plain"),
        ]
        await store.accept(
            acceptance(duty("k", kind="modified", version=2, supersedes=True), renderings=renderings)
        )

        result = await store.settle(settled(accepted.ready[0], State.SUPERSEDED, pass_kind="booked"))

        assert result.next is not None
        assert result.next.kind == "booked"
        assert result.next.body is not None and result.next.body.data == b"as booked"
        assert [hop.rendering for hop in result.next.chain] == [
            "rendered:as:booked",
            "rendered:as:booked",
            "rendered:mail",
        ]
        stored = await store.body(result.next.message, result.next.chain[0].rendering)
        assert stored is not None and stored.data == b"as booked"

    async def test_alternates_are_made_for_who_finds_others_in_the_lane(self, store: Store) -> None:
        first = await store.accept(acceptance(duty("k", kind="booked", version=1, supersedes=True)))
        made: list[str] = []

        def alternates() -> list[Rendering]:
            made.append("once")
            return [Rendering("rendered:as:booked", Body.of(b"as booked"), "application/json")]

        late = duty("k", kind="modified", version=2, supersedes=True)
        second = await store.accept(acceptance(late, alternates=alternates))
        result = await store.settle(settled(first.ready[0], State.SUPERSEDED, pass_kind="booked"))

        assert made == ["once"]
        assert second.disposition is Disposition.ACCEPTED and not second.ready
        assert result.next is not None and result.next.body is not None
        assert result.next.body.data == b"as booked"

    async def test_alternates_are_made_beside_a_dead_letter_that_may_come_back(self, store: Store) -> None:
        first = await store.accept(acceptance(duty("k", kind="booked", version=1, supersedes=True)))
        await store.settle(dead(first.ready[0], parks=False))
        as_booked = Rendering("rendered:as:booked", Body.of(b"as booked"), "application/json")

        late = duty("k", kind="modified", version=2, supersedes=True)
        second = await store.accept(acceptance(late, alternates=lambda: [as_booked]))

        assert len(second.ready) == 1
        stored = await store.body(second.message, "rendered:as:booked")
        assert stored is not None and stored.data == b"as booked"

    async def test_alternates_are_not_made_where_the_lane_is_empty(self, store: Store) -> None:
        first = await store.accept(acceptance(duty("k", kind="booked", version=1, supersedes=True)))
        await store.settle(settled(first.ready[0]))
        made: list[str] = []

        def alternates() -> list[Rendering]:
            made.append("never")
            return []

        late = duty("k", kind="modified", version=2, supersedes=True)
        second = await store.accept(acceptance(late, alternates=alternates))

        assert made == []
        assert len(second.ready) == 1

    async def test_a_passed_kind_without_a_rendering_changes_only_the_kind(self, store: Store) -> None:
        accepted = await store.accept(acceptance(duty("k", kind="booked")))
        await store.accept(acceptance(duty("k", kind="modified")))

        result = await store.settle(settled(accepted.ready[0], State.SUPERSEDED, pass_kind="booked"))

        assert result.next is not None
        assert (result.next.kind, result.next.chain) == ("booked", CHAIN)
