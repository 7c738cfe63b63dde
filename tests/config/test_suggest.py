"""The word that was probably meant: close ones alone, however they are written."""

from __future__ import annotations

import pytest

from engine.config.suggest import did_you_mean, hint

KNOWN = ("order_by", "accept", "ADT^A01")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("order-by", "order_by"),
        ("acept", "accept"),
        ("ACCEPT", "accept"),
        ("adt^a1", "ADT^A01"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_only_what_is_close_is_meant(word: str, meant: str) -> None:
    assert did_you_mean(word, KNOWN) == meant


def test_a_hint_names_the_word_else_all_of_them_else_that_there_are_none() -> None:
    assert hint("acept", KNOWN) == 'did you mean "accept"?'
    assert hint("zzz", KNOWN) == "there are ADT^A01, accept, order_by"
    assert hint("zzz", ()) == "there are none"
