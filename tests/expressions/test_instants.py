"""RFC 3339 texts as points in time: exactly what the standard allows, in exact order."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.expressions import instant
from engine.expressions.instants import ordering_key

SHAPE = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
COMMON = "2026-11-02T09:00:00-05:00"


@given(
    st.tuples(st.integers(0, 24), st.sampled_from("0123456789:-+TtZzW. ٣"))
    .flatmap(lambda change: st.just(COMMON[: change[0]] + change[1] + COMMON[change[0] + 1 :]))
    .flatmap(lambda text: st.sampled_from([text, text[:19] + "Z", text[:20] + "Z", text[:19] + ".25Z"]))
    | st.text(alphabet="0123456789-:TZ+.W", min_size=19, max_size=26)
)
def test_a_text_is_an_instant_just_where_the_standard_says_so(text: str) -> None:
    if ordering_key(text) is not None:
        assert SHAPE.fullmatch(text)
    elif SHAPE.fullmatch(text):
        with pytest.raises(ValueError):
            datetime.fromisoformat(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02",
        "2026-11-02T09:00:00",
        "2026-11-02 09:00:00Z",
        "2026-11-02T09:00Z",
        "2026-11-02T24:00:00Z",
        "2026-11-02T24:00:00-05:00",
        "2026-W45-1T09:00:00-05:00",
        "2026-11-02T09:00+05:00:00",
        "2026-11-02T09:00:00+05:60",
        "2026-11-02T09:00:00+24:00",
        "2026-02-30T09:00:00Z",
        "2026-11-02T09:00:61Z",
        "2026-11-02T09:00:00,5Z",
        "20261102T090000Z",
        "",
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert instant(text) is None


def test_order_is_exact_beyond_microseconds() -> None:
    texts = [
        "2026-11-02T09:00:00Z",
        "2026-11-02T09:00:00.0000000001Z",
        "2026-11-02T04:00:00.0000001-05:00",
        "2026-11-02T09:00:00.05Z",
        "2026-11-02T09:00:00.5Z",
        "2026-11-02T09:00:01+00:00",
        "2026-11-02T08:59:60.5-00:00",
    ]
    keys: list[Any] = [ordering_key(text) for text in texts]
    assert None not in keys
    assert sorted(keys[:-1]) == keys[:-1]
    assert keys[4] == keys[6], "a leap second counts as the second after it"


def test_an_instant_is_an_aware_time() -> None:
    found = instant("2026-11-02T09:00:00.123456789-05:00")
    assert found is not None
    assert found.isoformat() == "2026-11-02T09:00:00.123456-05:00"
    assert instant("2026-11-02T14:00:00Z") == instant("2026-11-02T09:00:00-05:00")
