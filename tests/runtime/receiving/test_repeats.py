"""Deliberate repeats: copies of one partner are new until a moment, and copies again afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.model import Disposition
from engine.runtime.receiving.repeats import Repeats
from tests.runtime.receiving.house import House, house
from tests.runtime.receiving.project import assembled

ANY = "POST /v1/any"
ROUTE = """
route: first
from: {public: POST /v1/any}
dedupe: {window: 7d}
to: [clinique-abc.emr]
"""


@asynccontextmanager
async def routing(folder: Path) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, ROUTE)) as opened:
        yield opened


async def posted(inside: House, partner: str = "platform") -> Disposition:
    receipt = await inside.post({"n": 1}, selector=ANY, partner=partner, control_id="17")
    return receipt.disposition


async def test_a_repeat_is_new_until_its_moment_and_a_copy_after_it(tmp_path: Path) -> None:
    async with routing(tmp_path) as inside:
        repeats = inside.reception.repeats
        assert await posted(inside) is Disposition.ACCEPTED
        assert await posted(inside) is Disposition.DUPLICATE
        await repeats.allow("platform", inside.clock.now_ms() + 60_000, actor="alice")
        assert await posted(inside) is Disposition.ACCEPTED
        assert len(await inside.rows()) == 2
        inside.clock.advance_to(inside.clock.now_ms() + 60_000)
        assert await posted(inside) is Disposition.DUPLICATE
        assert not repeats.open


async def test_only_the_named_partner_may_repeat(tmp_path: Path) -> None:
    async with routing(tmp_path) as inside:
        await posted(inside, "operations")
        await inside.reception.repeats.allow("platform", inside.clock.now_ms() + 60_000, actor="alice")
        assert await posted(inside, "operations") is Disposition.DUPLICATE


async def test_a_permission_outlives_the_process_and_can_be_ended(tmp_path: Path) -> None:
    async with routing(tmp_path) as inside:
        await posted(inside)
        await inside.reception.repeats.allow("platform", inside.clock.now_ms() + 60_000, actor="alice")
        after = Repeats(inside.store.records, inside.clock)
        await after.load()
        assert [(each.partner, each.actor) for each in after.permissions()] == [("platform", "alice")]
        assert await after.end("platform", actor="bob")
        assert not after.allowed("platform")
        assert not await after.end("platform", actor="bob")
        rows = await inside.store.journal.rows()
        assert [row.actor for row in rows if row.action in ("repeats", "no-repeats")] == ["alice", "bob"]
