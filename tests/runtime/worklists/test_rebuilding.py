"""A worklist that is built anew from messages is the one that was kept while they came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.dicom.worklist.step_events import event_of
from engine.model import Body
from engine.runtime.worklists.rebuilding import Feeds, rebuild
from engine.spi import Performed
from tests.channels.dicom.worklists import HOUSE, MONTH_MS, Fed, fed, order
from tests.runtime.worklists.histories import FEED, deliver, history, performed, shown
from tests.store.making import NOW, acceptance, message

FEEDS = Feeds({FEED: HOUSE}, ("images",), MONTH_MS)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        yield opened


async def tell_performed(house: Fed, said: Performed) -> None:
    """Let a modality say something, as the service does."""
    body = event_of(said, listener="images", zone="UTC", at_ms=NOW)
    told = message(f"mpps {said.uid} {said.revision}", body, listener="images")
    await house.worklists.announce("ris", said, told.id)
    await house.store.accept(acceptance(of=told, renderings=()))
    await house.worklists.conclude(told.id, durable=True)


@pytest.mark.parametrize("seed", range(5))
async def test_it_is_the_same_as_before(house: Fed, seed: int) -> None:
    for event in history(seed):
        await deliver(house.store, house.worklists, event)
    before = await shown(house.store)

    done = await rebuild(house.store, house.worklists, "ris", FEEDS, actor="marie", reason="a test")

    assert await shown(house.store) == before
    assert (done.events, done.retained, done.unreadable) == (40, 0, 0)


async def test_what_modalities_said_is_there_again(house: Fed) -> None:
    await deliver(house.store, house.worklists, ("order-placed", order()))
    study = "1.2.826.0.1.3680043.2.1.1"
    await tell_performed(house, performed("1.2.9", 0, "IN PROGRESS", study, "SPS1"))
    await tell_performed(house, performed("1.2.9", 1, "COMPLETED", study, "SPS1"))
    before = await shown(house.store)
    assert before[0][0] == "COMPLETED"

    done = await rebuild(house.store, house.worklists, "ris", FEEDS, actor="", reason="")

    assert await shown(house.store) == before
    assert done.performed == 2
    assert await house.worklists.performed("ris", "1.2.9") == performed(
        "1.2.9", 1, "COMPLETED", study, "SPS1"
    )


async def test_what_purged_messages_said_is_not_lost(house: Fed) -> None:
    for event in history(7, length=20):
        await deliver(house.store, house.worklists, event)
    await house.store.purge(NOW + 1, 1000)
    for event in history(8, length=20):
        await deliver(house.store, house.worklists, event)
    before = await shown(house.store)

    done = await rebuild(house.store, house.worklists, "ris", FEEDS, actor="", reason="")

    assert await shown(house.store) == before
    assert done.retained > 0


async def test_a_worklist_that_was_lost_is_made_of_messages_alone(house: Fed) -> None:
    for event in history(3):
        await deliver(house.store, house.worklists, event)
    before = await shown(house.store)
    await house.store.rebuilding.begin("ris")
    await house.store.rebuilding.finish("ris", actor="", reason="")
    assert await shown(house.store) == []

    await rebuild(house.store, house.worklists, "ris", FEEDS, actor="", reason="")

    assert await shown(house.store) == before


async def test_content_that_nobody_can_read_is_counted(house: Fed) -> None:
    await deliver(house.store, house.worklists, ("order-placed", order()))
    spoilt = message("mpps 1.2 0", b"{}", listener="images")
    await house.store.accept(acceptance(of=spoilt, renderings=()))

    done = await rebuild(house.store, house.worklists, "ris", FEEDS, actor="", reason="")

    assert (done.events, done.performed, done.unreadable) == (1, 0, 1)
    assert Body.of(b"{}").size == 2
