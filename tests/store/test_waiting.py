"""What waits in a lane is at hand when its turn comes, within bounds, and never when its row says otherwise."""

from __future__ import annotations

from pathlib import Path

from engine.clock import SystemClock
from engine.model import Body, State
from engine.store import open_store
from engine.store.protocol import Query, Rendering, Verb
from engine.store.sqlite.waiting import BYTES, COUNT, Waiting
from tests.store.making import EMR, NOW, acceptance, duty, operation, settled


def test_the_oldest_go_where_there_are_too_many() -> None:
    kept = Waiting[int]()
    for number in range(COUNT + 2):
        kept.put(number, number, 1)
    assert (kept.take(0), kept.take(1), kept.take(2)) == (None, None, 2)


def test_no_more_bytes_are_kept_than_the_bound() -> None:
    kept = Waiting[str]()
    kept.put(1, "small", 10)
    kept.put(2, "large", BYTES)
    kept.put(3, "small", 10)
    assert (kept.take(1), kept.take(2), kept.take(3)) == (None, None, "small")
    kept.put(4, "again", BYTES)
    assert kept.take(4) == "again"


async def test_a_changed_row_is_read(tmp_path: Path) -> None:
    async with open_store(f"sqlite:{tmp_path / 'store.db'}", clock=SystemClock()) as store:
        first = await store.accept(acceptance(duty("k")))
        late = [Rendering("rendered", Body.of(b"late"), "text/plain")]
        second = await store.accept(acceptance(duty("k"), renderings=late))
        (_, row) = sorted(await store.deliveries(Query()), key=lambda each: each.delivery.sequence)
        await store.operate(operation(Verb.HOLD, row.delivery.sequence))

        result = await store.settle(settled(first.ready[0]))

        assert second.ready == [] and list(await store.due(EMR, NOW, 10)) == []
        assert result.next is not None and result.next.state is State.HELD
        assert result.next.revision == 1
