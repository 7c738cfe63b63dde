"""Functions on texts and lists. Numbers, true, false and null are taken as the text that they are written as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import re2

from engine.expressions.function import Function, Unsuited
from engine.expressions.kinds import MAX_TEXT, as_text, bounded, kind_of

MAX_ITEMS = 100_000


def text(value: Any) -> str:
    """Return a number, a boolean, a time or null as text; a text stays as it is."""
    return as_text(value)


def upper(value: Any) -> str:
    """Return the text in upper case."""
    return bounded(as_text(value).upper())


def lower(value: Any) -> str:
    """Return the text in lower case."""
    return bounded(as_text(value).lower())


def trim(value: Any) -> str:
    """Return the text without blanks and line ends at its ends."""
    return as_text(value).strip()


def replace(value: Any, old: Any, new: Any) -> str:
    """Return the text with every `old` replaced by `new`; `old` is plain text, no pattern."""
    source, part, fresh = as_text(value), as_text(old), as_text(new)
    if not part:
        raise Unsuited("replace needs a text to look for")
    if len(source) + source.count(part) * (len(fresh) - len(part)) > MAX_TEXT:
        raise Unsuited(f"a text would have more than {MAX_TEXT} characters")
    return source.replace(part, fresh)


def split(value: Any, separator: Any) -> list[str]:
    """Return the parts between separators as a list; an absent text gives an empty list."""
    source, between = as_text(value), as_text(separator)
    if not between:
        raise Unsuited("split needs a separator")
    if source.count(between) >= MAX_ITEMS:
        raise Unsuited(f"a list would have more than {MAX_ITEMS} items")
    return source.split(between) if source else []


def join(values: Any, separator: Any = "") -> str:
    """Return the items of a list as one text, with `separator` between them; absent and null items are left out."""
    if not isinstance(values, list | tuple):
        raise Unsuited(f"join needs a list, not {kind_of(values)}")
    parts = [part for part in map(as_text, values) if part]
    between = as_text(separator)
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_TEXT:
        raise Unsuited(f"a text would have more than {MAX_TEXT} characters")
    return between.join(parts)


def length(value: Any) -> int:
    """Return the number of characters of a text, of items of a list, of keys of an object; 0 for absent or null."""
    return len(value) if isinstance(value, list | tuple | Mapping) else len(as_text(value))


def contains(value: Any, part: Any) -> bool:
    """Say whether a text holds `part`, or a list has it as an item."""
    if isinstance(value, list | tuple):
        return part in value
    return as_text(part) in as_text(value)


def starts_with(value: Any, beginning: Any) -> bool:
    """Say whether the text begins so."""
    return as_text(value).startswith(as_text(beginning))


def ends_with(value: Any, ending: Any) -> bool:
    """Say whether the text ends so."""
    return as_text(value).endswith(as_text(ending))


def matches(value: Any, pattern: Any) -> bool:
    """Say whether the WHOLE text fits the regular expression (RE2 syntax; write `.*` around a part).

    Patterns are literals, compiled once, and run in time linear in the text; they have no look-around and no
    back-references.
    """
    # asked in bytes: for a text, the library counts the characters up to each group that nobody wants (6 times slower)
    return pattern.fullmatch(as_text(value).encode()) is not None


def slice_(value: Any, start: Any, end: Any = None) -> str:
    """Return the characters from `start` (counted from 0) up to, without, `end`; below zero counts from the end."""
    if not isinstance(start, int) or not isinstance(end, int | None):
        raise Unsuited("slice needs whole numbers")
    return as_text(value)[start:end]


def pad(value: Any, width: Any, fill: Any = "0") -> str:
    """Return the text filled up on the left to `width` characters: `pad(7, 3)` is `007`."""
    if not isinstance(width, int) or not 0 <= width <= 1000 or not isinstance(fill, str) or len(fill) != 1:
        raise Unsuited("pad needs a width up to 1000 and one character to fill with")
    return as_text(value).rjust(width, fill)


def _compiled(pattern: Any) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(as_text(pattern), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise ValueError(f"no pattern: {reason.decode() if isinstance(reason, bytes) else reason}") from None


FUNCTIONS = (
    Function("text", text),
    Function("upper", upper),
    Function("lower", lower),
    Function("trim", trim),
    Function("replace", replace),
    Function("split", split),
    Function("join", join),
    Function("length", length),
    Function("contains", contains),
    Function("starts_with", starts_with),
    Function("ends_with", ends_with),
    Function("matches", matches, prepare={"pattern": _compiled}, literal=frozenset({"pattern"})),
    Function("slice", slice_),
    Function("pad", pad),
)
