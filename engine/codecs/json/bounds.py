"""How much structure a JSON text may have, found out before anything is built from it.

What a body costs to read, copy and write grows with its values more than with its bytes: ten megabytes can be one
text, or five million empty lists. Both limits are counted in loops that run in C, over what stands outside of texts.
Source: RFC 8259 9: an implementation may set limits on size, depth, range and character contents.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

MAX_DEPTH = 64
"""Lists and objects within one another."""
MAX_VALUES = 500_000
"""Values in one text, counted by commas and by what opens a list or an object: each costs about 1 us to read."""
_ALL_BUT_MARKS = bytes(set(range(256)) - set(b'[]{},"'))
_UP_OR_DOWN = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")


def has_too_many_values(raw: bytes) -> bool:
    """Say whether `raw` holds more than `MAX_VALUES`; few commas and brackets settle it, those in texts included."""
    if len(raw) < MAX_VALUES or _openers_and_commas(raw) < MAX_VALUES:
        return False
    return _openers_and_commas(_outside_of_texts(raw)) >= MAX_VALUES


def is_too_deep(raw: bytes) -> bool:
    """Say whether `raw`, of which `has_too_many_values` is false, is nested deeper than `MAX_DEPTH`.

    Exact up to where it stops being JSON, and there the scanner stops, too. Few brackets settle it.
    """
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    brackets = _outside_of_texts(raw).translate(_UP_OR_DOWN, b",")
    # behind as many as can open and close, more close than have opened: that is no JSON any more
    return max(accumulate(array("b", brackets[: 2 * MAX_VALUES])), default=0) > MAX_DEPTH


def _openers_and_commas(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _outside_of_texts(raw: bytes) -> bytes:
    """Return the brackets, braces and commas of `raw` that stand in no text.

    Without escaped backslashes, then escaped quotes, every quote that is left begins or ends a text.
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.translate(None, _ALL_BUT_MARKS).split(b'"')[::2])
