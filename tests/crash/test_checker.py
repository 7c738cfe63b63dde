"""The checker sees what it is there for: a checker that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.crash.checker import Duty, Report, Sent, StoreJournal, Tried, check

_DELIVERED, _RETRYING, _DEAD = 10, 1, 16
_SENT = (Sent("a", 0, "M0"), Sent("a", 1, "M1"))
_TRIED = (Tried("M0", "a", 0, "503"), Tried("M0", "a", 0, "200"), Tried("M1", "a", 1, "200"))


def _store(*states: int, unknown: int = 0) -> StoreJournal:
    duties = tuple(Duty(f"M{number}", state, unknown) for number, state in enumerate(states))
    return StoreJournal(frozenset(duty.message_id for duty in duties), duties)


def _check(tried: Sequence[Tried], store: StoreJournal, *, conserved: bool = True, faults: int = 1) -> Report:
    return check(_SENT, tried, store, conserved=conserved, faults=faults)


def test_a_run_in_which_all_went_well_is_sound() -> None:
    report = _check(_TRIED, _store(_DELIVERED, _DELIVERED))
    assert report.sound
    assert (report.accepted, report.delivered, report.pending, report.duplicates) == (2, 2, 0, 0)


def test_a_run_without_a_fault_is_not_sound() -> None:
    assert not _check(_TRIED, _store(_DELIVERED, _DELIVERED), faults=0).sound


def test_counts_that_do_not_add_up_are_not_sound() -> None:
    assert not _check(_TRIED, _store(_DELIVERED, _DELIVERED), conserved=False).sound


def test_a_message_that_the_store_does_not_have_is_lost() -> None:
    assert _check(_TRIED[:2], _store(_DELIVERED)).lost == ("a.1",)


def test_a_delivery_that_the_receiver_never_took_is_lost() -> None:
    assert _check(_TRIED[:1], _store(_DELIVERED, _RETRYING)).lost == ("a.0",)


@pytest.mark.parametrize("state", [_RETRYING, _DEAD])
def test_what_is_still_insisted_on_or_dead_is_not_lost(state: int) -> None:
    assert _check(_TRIED[:2], _store(_DELIVERED, state)).lost == ()


def test_a_copy_without_an_unknown_outcome_is_beyond_the_bound() -> None:
    twice = (*_TRIED, Tried("M1", "a", 1, "lost"))
    assert _check(twice, _store(_DELIVERED, _DELIVERED)).excess == ("a.1",)
    assert _check(twice, _store(_DELIVERED, _DELIVERED, unknown=1)).excess == ()


def test_the_next_of_a_key_before_the_one_ahead_was_taken_is_disorder() -> None:
    early = (Tried("M0", "a", 0, "503"), Tried("M1", "a", 1, "200"), Tried("M0", "a", 0, "200"))
    assert _check(early, _store(_DELIVERED, _DELIVERED)).disorder == ("a.1", "a.0")


def test_a_retry_under_another_id_is_seen() -> None:
    renamed = (Tried("M0", "a", 0, "503"), Tried("X0", "a", 0, "200"), _TRIED[2])
    assert _check(renamed, _store(_DELIVERED, _DELIVERED)).renamed == ("a.0",)


def test_what_comes_after_a_dead_letter_that_a_human_knows_of_is_in_order() -> None:
    assert _check(_TRIED[2:], _store(_DEAD, _DELIVERED)).disorder == ()
    assert _check(_TRIED[2:], _store(_RETRYING, _DELIVERED)).disorder == ("a.1",)
