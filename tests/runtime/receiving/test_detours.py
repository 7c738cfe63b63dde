"""A detour ends when the store says that nothing waits any more, and not a moment before."""

from __future__ import annotations

from typing import Any, cast

from engine.errors import StoreUnavailable
from engine.runtime.routing.detours import Detours
from engine.store.protocol import Archive
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.receiving.house import START


class Looking:
    """An archive with nothing in it, at each look of which something may happen first."""

    def __init__(self) -> None:
        self.looks = 0
        self.meanwhile: Any = lambda: None

    async def deliveries(self, query: object) -> list[object]:
        self.looks += 1
        self.meanwhile()
        return []


def detours() -> tuple[Detours, Looking, VirtualClock]:
    archive, clock = Looking(), VirtualClock(START)
    return Detours(cast(Archive, archive), clock), archive, clock


def later(clock: VirtualClock) -> None:
    clock.advance_to(clock.now_ms() + 2_000)


async def test_a_route_is_behind_until_a_review_finds_nothing() -> None:
    found, _, clock = detours()
    found.entering(["a"])
    found.entered(["a"])
    before = found.behind("a")
    later(clock)
    await found.review()
    assert (before, found.behind("a")) == (True, False)


async def test_a_route_stays_behind_while_a_commit_is_under_way() -> None:
    found, archive, clock = detours()
    found.entering(["a"])
    later(clock)
    await found.review()
    assert found.behind("a")
    assert archive.looks == 0


async def test_what_enters_during_a_review_keeps_its_route_behind() -> None:
    found, archive, clock = detours()
    found.entering(["a"])
    found.entered(["a"])
    later(clock)

    def enter() -> None:
        archive.meanwhile = lambda: None
        found.entering(["a"])
        found.entered(["a"])

    archive.meanwhile = enter
    await found.review()
    assert found.behind("a")


async def test_a_store_that_cannot_be_asked_ends_nothing() -> None:
    found, archive, clock = detours()
    found.entering(["a"])
    found.entered(["a"])
    later(clock)

    def fail() -> None:
        raise StoreUnavailable("busy")

    archive.meanwhile = fail
    await found.review()
    assert found.behind("a")


async def test_without_a_detour_the_store_is_not_asked() -> None:
    found, archive, clock = detours()
    later(clock)
    await found.review()
    assert archive.looks == 0


async def test_with_a_detour_the_store_is_asked_once_in_a_while() -> None:
    found, archive, clock = detours()
    found.entering(["a"])
    found.entered(["a"])
    found.entering(["b"])
    later(clock)
    for _ in range(5):
        await found.review()
    assert archive.looks == 2
