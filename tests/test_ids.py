"""Ids fit their field, sort by time and never repeat."""

from __future__ import annotations

import pytest

from engine.ids import ALPHABET, IdSource


class Steps:
    """A clock that gives the moments it is told, then stays."""

    def __init__(self, *moments: int) -> None:
        self._moments = list(moments)

    def now_ms(self) -> int:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


def test_an_id_has_twenty_characters_of_crockford_base32() -> None:
    identifier = IdSource(Steps(1_793_000_000_000)).next()
    assert len(identifier) == 20
    assert set(identifier) <= set(ALPHABET)


def test_ids_ascend_within_one_millisecond_and_when_the_clock_steps_back() -> None:
    source = IdSource(Steps(2_000, 2_000, 1_000, 2_001))
    made = [source.next() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_an_id_begins_with_its_milliseconds_whatever_the_node() -> None:
    number = 0
    for character in IdSource(Steps(1_793_000_000_123), node=1023).next():
        number = number * 32 + ALPHABET.index(character)
    assert number >> 52 == 1_793_000_000_123


def test_a_node_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="node"):
        IdSource(Steps(0), node=1024)
