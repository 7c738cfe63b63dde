"""The checker of changing messages: each rule is silent on a good run and speaks on the fault that it is for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.crash.changes import KINDS, Accepted
from tests.crash.changes_checker import (
    BY_FALLBACK,
    DEAD,
    DELIVERED,
    RECALLED,
    SUPERSEDED,
    Journals,
    counts,
    wrong,
)
from tests.crash.checker import Duty
from tests.crash.clinic import Seen

BOOKED, MODIFIED, _, CANCELLED = KINDS
_PENDING = 0


def _accepted(route: str, *kinds: str) -> list[Accepted]:
    return [Accepted(route, "k", number, kind, f"M{number}") for number, kind in enumerate(kinds, 1)]


def _duties(*states: int, unknown: int = 0) -> list[Duty]:
    return [Duty(f"M{number}", state, unknown) for number, state in enumerate(states, 1)]


def _at(door: str, seq: int, answer: str = "200", kind: str = BOOKED) -> Seen:
    return Seen(door, f"M{seq}", "k", seq, kind, answer)


def _rules(
    accepted: Sequence[Accepted],
    duties: Sequence[Duty],
    seen: Sequence[Seen],
    asked: int = 0,
    confirmed: int = 0,
) -> list[str]:
    journals = Journals(accepted, seen, duties, {"M1": asked}, {"M1": confirmed})
    return [line.partition(":")[0] for line in wrong(journals)]


_CHANGES = _accepted("changes", BOOKED, MODIFIED)
_REPLACED = _accepted("changes", BOOKED, MODIFIED, CANCELLED)


def test_an_older_version_that_gave_way_is_right() -> None:
    assert (
        _rules(_CHANGES, _duties(SUPERSEDED, DELIVERED), [_at("/changes", 1, "503"), _at("/changes", 2)])
        == []
    )


def test_a_recalled_one_and_its_cancellation_are_right() -> None:
    seen = [_at("/changes", 1), _at("/changes", 3, kind=CANCELLED)]
    assert _rules(_REPLACED, _duties(DELIVERED, RECALLED, DELIVERED), seen) == []


@pytest.mark.parametrize(
    ("states", "seen", "rule"),
    [
        ((SUPERSEDED, DELIVERED), [_at("/changes", 1, "lost"), _at("/changes", 2, kind=MODIFIED)], "late"),
        ((SUPERSEDED, DELIVERED), [_at("/changes", 2), _at("/changes", 1, "503")], "order"),
        ((DELIVERED, SUPERSEDED), [_at("/changes", 1)], "lost"),
        ((DELIVERED, RECALLED), [_at("/changes", 1)], "lost"),
        ((SUPERSEDED, DELIVERED), [_at("/changes", 2, kind=MODIFIED)], "kind"),
        ((DELIVERED, _PENDING), [_at("/changes", 1)], "unfinished"),
        ((DELIVERED, DELIVERED), [_at("/changes", 1)], "lost"),
        ((DELIVERED,), [_at("/changes", 1)], "lost"),
        ((DELIVERED, DEAD), [_at("/changes", 1)], "dead"),
    ],
)  # fmt: skip
def test_a_change_that_went_wrong_is_told(states: Sequence[int], seen: Sequence[Seen], rule: str) -> None:
    assert _rules(_CHANGES, _duties(*states), seen) == [rule]


def test_a_cancellation_that_was_never_sent_is_told() -> None:
    assert "lost" in _rules(_REPLACED, _duties(RECALLED, RECALLED, RECALLED), [])


_DETOUR = _accepted("detours", "")


def test_a_fallback_after_its_primary_is_right() -> None:
    assert _rules(_DETOUR, _duties(BY_FALLBACK), [_at("/first", 1, "503"), _at("/second", 1)]) == []


def test_a_fallback_after_an_unknown_outcome_may_be_a_copy() -> None:
    seen = [_at("/first", 1, "lost"), _at("/second", 1)]
    assert _rules(_DETOUR, _duties(BY_FALLBACK, unknown=1), seen) == []


@pytest.mark.parametrize(
    ("state", "seen", "rules"),
    [
        (BY_FALLBACK, [_at("/first", 1, "503"), _at("/second", 1), _at("/first", 1, "503")], ["beside"]),
        (BY_FALLBACK, [_at("/first", 1), _at("/second", 1)], ["copies", "beside"]),
        (BY_FALLBACK, [_at("/first", 1)], ["lost"]),
        (DELIVERED, [_at("/second", 1)], ["lost"]),
    ],
)
def test_a_fallback_beside_its_primary_is_told(state: int, seen: Sequence[Seen], rules: list[str]) -> None:
    assert _rules(_DETOUR, _duties(state), seen) == rules


_REFUSED = _accepted("refusals", "")
_TAKEN = [_at("/strict", 1, "400"), _at("/strict", 1)]


def test_a_resend_may_bring_one_copy_more_and_a_confirmed_one_must() -> None:
    assert _rules(_REFUSED, _duties(DELIVERED), _TAKEN) == []
    assert _rules(_REFUSED, _duties(DELIVERED), [*_TAKEN, _at("/strict", 1)], asked=1) == []
    assert _rules(_REFUSED, _duties(DELIVERED), [*_TAKEN, _at("/strict", 1)]) == ["copies"]
    assert _rules(_REFUSED, _duties(DELIVERED), _TAKEN, asked=1, confirmed=1) == ["resent"]


def test_another_id_than_the_platform_was_told_is_told() -> None:
    foreign = Seen("/strict", "X1", "k", 1, "", "200")
    assert _rules(_REFUSED, _duties(DELIVERED), [*_TAKEN, foreign]) == ["renamed"]


def test_what_happened_is_counted() -> None:
    journals = Journals(_CHANGES, [], _duties(SUPERSEDED, DELIVERED), {}, {"M1": 2})
    found = counts(journals)
    assert (found["superseded"], found["delivered"], found["resent"]) == (1, 1, 2)
