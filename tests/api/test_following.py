"""The journal over the API: followed, proved and exported whole."""

from __future__ import annotations

from pathlib import Path

from engine.audit.export import is_whole
from tests.api.stored import stopped_store


async def test_following_from_the_beginning_gives_every_row(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for number in range(3):
            await stopped.accept(str(number))
        rows = await stopped.lines("tail", all="true")
    assert [row["sequence"] for row in rows] == [1, 2, 3]


async def test_following_after_a_row_gives_what_came_later(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for number in range(3):
            await stopped.accept(str(number))
        rows = await stopped.lines("tail", after="2")
    assert [row["sequence"] for row in rows] == [3]


async def test_following_from_now_on_gives_nothing_old(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        assert await stopped.lines("tail") == []


async def test_the_chain_of_an_untouched_journal_is_intact(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        view = await stopped.get("journal/verify")
    assert (view["intact"], view["rows"], view["broken_at"]) == (True, 1, None)


async def test_an_export_proves_itself_and_is_journalled(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.accept("1")
        await stopped.accept("2")
        lines = await stopped.lines("journal/export")
        rows = (await stopped.get("journal"))["rows"]
    assert is_whole(lines)
    assert (lines[-1]["rows"], lines[-1]["broken_at"]) == (2, None)
    assert rows[-1]["action"] == "export"


async def test_an_export_larger_than_a_page_is_whole(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for number in range(501):
            await stopped.store.journal.append("reason", actor="", detail=str(number), at_ms=1)
        lines = await stopped.lines("journal/export")
    assert is_whole(lines)
    assert [line["detail"] for line in lines[1:-1]] == [str(number) for number in range(501)]


async def test_pages_of_the_journal_follow_each_other(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        for number in range(4):
            await stopped.accept(str(number))
        first = (await stopped.get("journal", limit="2"))["rows"]
        second = (await stopped.get("journal", limit="2", after=str(first[-1]["sequence"])))["rows"]
    assert [row["sequence"] for row in (*first, *second)] == [1, 2, 3, 4]
