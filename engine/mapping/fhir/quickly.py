"""What the generated functions that read FHIR call for a value: the quick way, None where it does not do."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from engine.mapping.fhir.leaves import EVENT_VALUE
from engine.mapping.fhir.nodes import Cell
from engine.mapping.fhir.values import is_canonical, offset_in, offset_of, printed, put_value, read, value_at
from engine.mapping.leaves import MISS, BadValue
from engine.mapping.rules import Path
from engine.mapping.v2.cells import ABSENT, same

_KEPT: Final = 4096
"""How many values a quick look-up keeps."""


def fresh(item: dict[str, Any], path: Path, value: Any) -> bool:
    """Put the value of a leaf with several places; say whether the leaf has it, from here or from another place."""
    known = value_at(item, path)
    if known is ABSENT:
        put_value(item, path, value)
        return True
    return same(known, value)


def quick_raw(cell: Cell, default: str) -> Callable[[Any], tuple[Any, bool] | None]:
    """Return what reads a primitive with nothing beside it: its value, and whether it is as it would be written."""

    def look(raw: Any) -> tuple[Any, bool] | None:
        if isinstance(raw, str) and not raw.isprintable():
            return None  # it may be the hole itself
        value, extension = read(cell, raw, None, default)
        if value is MISS:
            return None
        expected, said = printed(cell, value, "+00:00" if cell.kind.zoned else "", default)
        return value, is_canonical(raw, None, expected, said, extension)

    return look if cell.leaf.kind in ("num", "any") else lru_cache(maxsize=_KEPT, typed=True)(look)


def quick_said(cell: Cell) -> Callable[[Any, Any, str], str | None]:
    """Return what reads a moment beside which nothing stands but the event's own, both as they would be written."""

    @lru_cache(maxsize=_KEPT)
    def look(raw: str, said: str, zone: str) -> str | None:
        try:
            expected, _ = printed(cell, said, offset_in(raw), "")
            written, extension = printed(cell, said, offset_of(cell, said, zone), "")
        except BadValue:
            return None
        return said if expected == raw == written and extension is not None else None

    def quick(raw: Any, sibling: Any, zone: str) -> str | None:
        extensions = sibling.get("extension") if sibling.__class__ is dict and len(sibling) == 1 else None
        if raw.__class__ is not str or extensions.__class__ is not list or len(extensions) != 1:
            return None
        only = extensions[0]
        if only.__class__ is not dict or len(only) != 2 or only.get("url") != EVENT_VALUE:
            return None
        said = only.get("valueString")
        return look(raw, said, zone) if said.__class__ is str and _is_moment(said) else None

    return quick


def _is_moment(text: str) -> bool:
    return 4 <= len(text) < 40 and text[:4].isdigit() and text.isascii()
