"""Supersede and recall: decided by the owner at the head of the lane, never over an unknown outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from engine.errors import Transient
from engine.model import Attempt, Body, Reply, State
from engine.runtime.sending.gates import Subject
from engine.store.protocol import Rendering
from tests.runtime.sending.house import EMR, OK, House, house

ABSENT = Transient("absent", code="absent")


async def version(home: House, number: int, **more: Any) -> str:
    """Accept one version of appointment 1."""
    return await home.accept(lane="appointment:1", text=f"v{number}", version=number, supersedes=True, **more)


def superseding(home: House) -> None:
    home.rules.change(supersedes=True)


async def test_a_newer_version_takes_the_place_of_undelivered_older_ones(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        home.scripts[EMR] = [ABSENT, OK]
        ids = [await version(home, number) for number in (1,)]
        await home.quiet()
        ids += [await version(home, number) for number in (2, 3)]
        await home.quiet()
        assert [await home.state(each) for each in ids] == [
            State.SUPERSEDED,
            State.SUPERSEDED,
            State.DELIVERED,
        ]
        assert [sent.body for sent in home.sent] == [b"v1", b"v3"]


async def test_it_does_so_while_the_breaker_is_open(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        home.rules.change_endpoint(EMR, breaker_failures=1, breaker_open=1000.0)
        home.scripts[EMR] = [ABSENT]
        first = await version(home, 1)
        await home.quiet()
        await home.accept(lane="other")
        await home.quiet()
        await version(home, 2)
        await home.quiet()
        assert await home.state(first) is State.SUPERSEDED


async def test_it_does_so_behind_a_pause_and_for_one_that_was_never_tried(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        await home.gates.pause(Subject.ENDPOINT, EMR, actor="alice")
        first = await version(home, 1)
        second = await version(home, 2)
        await home.quiet()
        assert await home.state(first) is State.SUPERSEDED
        await home.gates.resume(Subject.ENDPOINT, EMR, actor="alice")
        await home.quiet()
        assert await home.state(second) is State.DELIVERED
        assert [sent.body for sent in home.sent] == [b"v2"]


async def test_an_older_version_that_comes_late_supersedes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        home.scripts[EMR] = [ABSENT, OK]
        newer = await version(home, 5)
        await home.quiet()
        older = await version(home, 4)
        await home.forward(60)
        assert await home.state(newer) is State.DELIVERED
        assert await home.state(older) is State.DELIVERED


async def test_an_unknown_outcome_is_never_superseded_or_recalled(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        home.scripts[EMR] = [Transient("silent", code="timeout", sent=True), OK]
        first = await version(home, 1)
        await home.quiet()
        await version(home, 2)
        await version(home, 3, recalls=True)
        await home.forward(60)
        assert await home.state(first) is State.DELIVERED
        assert [sent.body for sent in home.sent] == [b"v1", b"v1", b"v3"]


async def test_a_recall_ends_what_waits_and_is_sent_itself(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [ABSENT, OK]
        first = await home.accept(lane="a", text="booked")
        await home.quiet()
        second = await home.accept(lane="a", text="modified")
        cancelled = await home.accept(lane="a", text="cancelled", recalls=True)
        await home.quiet()
        assert [await home.state(each) for each in (first, second, cancelled)] == [
            State.RECALLED,
            State.RECALLED,
            State.DELIVERED,
        ]
        assert [sent.body for sent in home.sent] == [b"booked", b"cancelled"]


async def test_a_recall_unparks_the_lane_of_a_dead_letter(tmp_path: Path) -> None:
    from engine.errors import Rejected

    async with house(tmp_path) as home, home.open():
        home.rules.change(parks=True)
        home.scripts[EMR] = [Rejected("refused", code="422"), OK]
        dead = await home.accept(lane="a", text="booked")
        await home.quiet()
        cancelled = await home.accept(lane="a", text="cancelled", recalls=True)
        await home.quiet()
        assert await home.state(dead) is State.DEAD
        assert await home.state(cancelled) is State.DELIVERED
        assert not (await home.row(dead)).open


async def test_a_change_of_what_was_never_delivered_goes_out_as_the_first_kind(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(supersedes=True, keep_first=True)
        home.scripts[EMR] = [ABSENT, OK]
        await version(home, 1, kind="booked")
        await home.quiet()
        renderings = (
            Rendering("rendered", Body.of(b"as modified"), "text/plain"),
            Rendering("rendered:as:booked", Body.of(b"as booked"), "text/plain"),
        )
        await version(home, 2, kind="modified", renderings=renderings)
        await home.quiet()
        assert [(sent.kind, sent.body) for sent in home.sent] == [("booked", b"v1"), ("booked", b"as booked")]


async def test_a_newer_version_that_comes_during_the_send_waits_for_its_outcome(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        superseding(home)
        began, go_on = anyio.Event(), anyio.Event()

        async def fail_later(attempt: Attempt) -> Reply:
            began.set()
            await go_on.wait()
            raise ABSENT

        home.scripts[EMR] = [fail_later, OK]
        first = await version(home, 1)
        await began.wait()
        second = await version(home, 2)
        go_on.set()
        await home.quiet()
        assert await home.state(first) is State.SUPERSEDED
        assert await home.state(second) is State.DELIVERED
