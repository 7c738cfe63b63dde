"""Strategies for JSON values as the codec holds them, and messages around bytes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from engine.codecs.json.numbers import read_decimal
from engine.model import Body, Message

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DECIMALS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?[eE][+-]?[0-9]{1,2}\Z") | st.from_regex(
    r"\A-?(0|[1-9][0-9]{0,9})\.[0-9]{1,9}\Z"
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | DECIMALS.map(read_decimal)
    | TEXTS
)


def json_values() -> st.SearchStrategy[Any]:
    return st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    )


def spelled(value: Any) -> Any:
    """Return `value` with each decimal as its text, so that equality sees the spelling."""
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if isinstance(value, Decimal):
        return ("decimal", str(value))
    return (type(value).__name__, value)


def message(body: bytes, *, content_type: str = "", headers: dict[str, str] | None = None) -> Message:
    return Message(
        "0" * 20, "door", Body.of(body), "json", 0, content_type=content_type, headers=headers or {}
    )
