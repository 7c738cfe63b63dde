"""The doors take so many bytes, and shut for a reason that is told (G6)."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from engine.errors import BudgetExceeded
from engine.runtime.receiving.budget import Budget, watch_disk
from engine.store.protocol import Health

PLENTY = Health(writable=True, free_bytes=2**33, free_share=0.5, commit_ms=0.2)
LITTLE = Health(writable=True, free_bytes=2**20, free_share=0.5, commit_ms=0.2)
SMALL_SHARE = Health(writable=True, free_bytes=2**33, free_share=0.01, commit_ms=0.2)
READ_ONLY = Health(writable=False, free_bytes=2**33, free_share=0.5, commit_ms=0.2)


def test_bytes_are_held_while_a_share_is_entered() -> None:
    budget = Budget(100)
    with budget.take(60):
        assert budget.used == 60
    assert budget.used == 0


def test_what_would_be_too_many_is_asked_to_come_back() -> None:
    budget = Budget(100)
    with budget.take(60), pytest.raises(BudgetExceeded) as refused:
        budget.take(41)
    assert refused.value.retry_after is not None


def test_the_budget_can_be_used_to_its_last_byte() -> None:
    budget = Budget(100)
    with budget.take(60), budget.take(40):
        assert budget.used == 100


def test_a_message_larger_than_the_budget_is_taken_alone() -> None:
    budget = Budget(100)
    with budget.take(1000), pytest.raises(BudgetExceeded):
        budget.take(1)


def test_a_share_is_given_back_once_also_after_an_error() -> None:
    budget = Budget(100)
    share = budget.take(60)
    with pytest.raises(KeyError), share:
        raise KeyError
    share.__exit__(None, None, None)
    assert budget.used == 0


def test_a_shut_door_opens_when_its_last_reason_is_gone() -> None:
    budget = Budget(100)
    budget.shut("draining", "the engine is stopping")
    budget.shut("disk", "the disk is full")
    budget.reopen("draining")
    with pytest.raises(BudgetExceeded, match="the disk is full"):
        budget.take(1)
    budget.reopen("disk")
    budget.reopen("disk")
    assert budget.reasons == ()
    budget.take(1)


class Looks:
    """A disk whose health is scripted, a clock that ends the watch with the script, and the changes it told."""

    def __init__(self, *script: Health) -> None:
        self.script = list(script)
        self.changes: list[bool] = []
        self.reasons: list[tuple[str, ...]] = []
        self.budget = Budget()

    async def health(self) -> Health:
        return self.script.pop(0)

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.reasons.append(self.budget.reasons)
        if not self.script:
            raise EOFError

    def changed(self, shut: bool, health: Health) -> None:
        self.changes.append(shut)


async def look(*script: Health) -> Looks:
    looks = Looks(*script)
    with pytest.raises(EOFError):
        await watch_disk(looks.health, looks.budget, looks, changed=looks.changed)
    return looks


@pytest.mark.parametrize("found", [LITTLE, SMALL_SHARE, READ_ONLY])
async def test_a_disk_that_is_nearly_full_or_read_only_shuts_the_doors(found: Health) -> None:
    looks = await look(found)
    assert looks.reasons == [("disk",)]


async def test_the_doors_open_again_and_each_change_is_told_once() -> None:
    looks = await look(PLENTY, LITTLE, READ_ONLY, PLENTY, PLENTY)
    assert looks.reasons == [(), ("disk",), ("disk",), (), ()]
    assert looks.changes == [True, False]


async def test_the_watch_ends_when_it_is_cancelled() -> None:
    started = anyio.Event()

    class Waiting(Looks):
        async def sleep(self, seconds: float) -> None:
            started.set()
            await anyio.sleep_forever()

    looks = Waiting(PLENTY)
    changed: Callable[[bool, Health], None] = looks.changed
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: watch_disk(looks.health, looks.budget, looks, changed=changed))
        await started.wait()
        group.cancel_scope.cancel()
    assert looks.changes == []
