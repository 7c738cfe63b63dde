"""Alerts open once, remind, clear once, and survive a crash between their row and their message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from engine.errors import StoreUnavailable
from engine.notify.alerts import AlertBook, Condition, Notice, Rule

RULE = Rule("ops", "operations.alerts", settle_ms=60_000, repeat_ms=3_600_000)
DEAD = Condition("dead_letter", "clinique-sud.emr", "ops", "400")
DISK = Condition("disk", "var", "ops", fact=False)


@dataclass(frozen=True, slots=True)
class StoredRow:
    name: str
    value: str


@dataclass(slots=True)
class RowsOnPaper:
    """The rows of one store, kept over several books."""

    kept: dict[str, str] = field(default_factory=dict)

    async def all(self, kind: str) -> Sequence[StoredRow]:
        return [StoredRow(name, value) for name, value in self.kept.items()]

    async def put(self, kind: str, name: str, value: str, *, at_ms: int, action: str = "") -> object:
        self.kept[name] = value
        return None

    async def delete(self, kind: str, name: str, *, at_ms: int, action: str = "") -> bool:
        return self.kept.pop(name, None) is not None


@dataclass(slots=True)
class Posted:
    """What a human was told; fails as often as asked."""

    failures: int = 0
    notices: list[Notice] = field(default_factory=list)

    async def __call__(self, notice: Notice) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("no room")
        self.notices.append(notice)

    @property
    def changes(self) -> list[str]:
        return [notice.change for notice in self.notices]


async def test_a_fact_opens_at_once_and_only_once() -> None:
    posted = Posted()
    book = AlertBook(RowsOnPaper(), posted, [RULE])
    for moment in (0, 1_000, 2_000):
        await book.update([DEAD], moment)
    assert posted.changes == ["opened"]


async def test_it_clears_once_after_the_settle_time_without_the_condition() -> None:
    posted = Posted()
    rows = RowsOnPaper()
    book = AlertBook(rows, posted, [RULE])
    await book.update([DEAD], 0)
    await book.update([], 59_999)
    assert posted.changes == ["opened"]
    await book.update([], 60_000)
    await book.update([], 120_000)
    assert posted.changes == ["opened", "cleared"]
    assert rows.kept == {}


async def test_a_condition_that_comes_back_within_the_settle_time_does_not_clear() -> None:
    posted = Posted()
    book = AlertBook(RowsOnPaper(), posted, [RULE])
    await book.update([DEAD], 0)
    await book.update([], 50_000)
    await book.update([DEAD], 55_000)
    await book.update([], 100_000)
    assert posted.changes == ["opened"]


async def test_a_passing_condition_opens_only_after_it_held_for_the_settle_time() -> None:
    posted = Posted()
    book = AlertBook(RowsOnPaper(), posted, [RULE])
    await book.update([DISK], 0)
    await book.update([], 30_000)
    await book.update([DISK], 40_000)
    await book.update([DISK], 99_999)
    assert posted.changes == []
    await book.update([DISK], 100_000)
    assert posted.changes == ["opened"]


async def test_a_reminder_comes_at_the_repeat_time_while_it_stays_open() -> None:
    posted = Posted()
    book = AlertBook(RowsOnPaper(), posted, [RULE])
    for moment in (0, 3_599_999, 3_600_000, 3_700_000, 7_200_000):
        await book.update([DEAD], moment)
    assert posted.changes == ["opened", "reminder", "reminder"]


async def test_a_crash_between_row_and_message_tells_it_again_under_the_same_control_id() -> None:
    rows, first = RowsOnPaper(), Posted(failures=1)
    with pytest.raises(StoreUnavailable):
        await AlertBook(rows, first, [RULE]).update([DEAD], 5)
    second = Posted()
    book = AlertBook(rows, second, [RULE])
    await book.load()
    await book.update([DEAD], 90)
    assert [notice.control_id for notice in second.notices] == ["alert dead_letter:clinique-sud.emr 5 opened"]


async def test_an_open_alert_is_not_told_again_after_a_restart() -> None:
    rows, first, second = RowsOnPaper(), Posted(), Posted()
    await AlertBook(rows, first, [RULE]).update([DEAD], 5)
    book = AlertBook(rows, second, [RULE])
    await book.load()
    await book.update([DEAD], 90)
    assert second.changes == []
    assert [alert.identity for alert in book.open] == ["dead_letter:clinique-sud.emr"]


async def test_a_refusal_is_told_once_per_route_and_path_until_it_was_quiet_for_long() -> None:
    posted = Posted()
    book = AlertBook(RowsOnPaper(), posted, [RULE])
    refused = Condition("refused", "route appointment.end", "ops", lasting_ms=86_400_000)
    await book.update([refused], 0)
    await book.update([], 60_000)
    await book.update([refused], 3_000_000)
    await book.update([], 3_000_000 + 86_400_000)
    assert posted.changes == ["opened"]
    assert not book.open
