"""Writes lists of primitives, with the list of what stands beside them (R4 2.6.2.3)."""

from __future__ import annotations

from typing import Any

from engine.mapping.fhir.leaves import NO_RAW
from engine.mapping.fhir.making import FILLER
from engine.mapping.fhir.nodes import Cell, ManyPlan
from engine.mapping.fhir.taking import NULL_CODE, inferred, presence_url, primitive_at, said_presence
from engine.mapping.fhir.values import Turn, holds_now, items_of, offset_of, printed, read, value_at
from engine.mapping.leaves import MISS
from engine.mapping.rules import Path
from engine.mapping.v2.cells import ABSENT, same


def give_primitives(
    cells: dict[int, Cell], here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn
) -> bool:
    written = False
    values = list(here[name]) if isinstance(here.get(name), list) else []
    siblings = list(here[f"_{name}"]) if isinstance(here.get(f"_{name}"), list) else []
    before = (list(values), list(siblings))
    for at in sorted(cells):
        cell = cells[at]
        if holds_now(cell.when, item):
            written = _give_primitive(cell, values, siblings, at, value_at(item, cell.path), turn) or written
    if (values, siblings) != before:
        _settle(here, name, values, siblings)
    return written


def _give_primitive(
    cell: Cell, values: list[Any], siblings: list[Any], at: int, value: Any, turn: Turn
) -> bool:
    raw, sibling = primitive_at({"v": values, "_v": siblings}, "v", at)
    if value is ABSENT:
        if raw is not NO_RAW or sibling is not None:
            known = MISS if raw == turn.hole else read(cell, raw, sibling, "")[0]
            if raw == turn.hole or known is not MISS:
                _set(values, at, None)
                if raw != turn.hole or sibling is not None:
                    _set(siblings, at, None)
        return False
    if raw is not NO_RAW and raw != turn.hole and same(read(cell, raw, sibling, "")[0], value):
        return True
    if raw is NO_RAW and sibling is not None and same(read(cell, raw, sibling, "")[0], value):
        return True
    text, extension = printed(cell, value, offset_of(cell, value, turn.zone), "")
    _set(values, at, None if text is NO_RAW else text)
    if extension is not None:
        _set(siblings, at, {"extension": [extension]})
    elif sibling is not None and raw is NO_RAW:
        _set(siblings, at, None)
    return True


def _set(cells: list[Any], at: int, value: Any) -> None:
    if value is None and at >= len(cells):
        return
    while len(cells) <= at:
        cells.append(None)
    cells[at] = value


def _settle(here: dict[str, Any], name: str, values: list[Any], siblings: list[Any]) -> None:
    """Put a list of primitives back: a place that is empty says that nothing is known there."""
    length = max(len(values), len(siblings))
    values += [None] * (length - len(values))
    siblings += [None] * (length - len(siblings))
    absent = {"extension": [FILLER]}
    while values and values[-1] is None and siblings[-1] in (None, absent):
        values.pop()
        siblings.pop()
    for at, value in enumerate(values):
        if value is None and siblings[at] is None:
            siblings[at] = {"extension": [dict(FILLER)]}
        elif value is not None and siblings[at] == absent:
            siblings[at] = None
    beside = any(cell is not None for cell in siblings)
    for key, cells, needed in ((name, values, False), (f"_{name}", siblings, beside)):
        if needed or any(cell is not None for cell in cells):
            here[key] = cells
        else:
            here.pop(key, None)


def give_plain(many: ManyPlan, here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn) -> bool:
    cell = many.plan.own.cells[0]
    wanted = list(items_of(item, many.path))
    values = list(here[name]) if isinstance(here.get(name), list) else []
    siblings = list(here[f"_{name}"]) if isinstance(here.get(f"_{name}"), list) else []
    before = (list(values), list(siblings))
    pairs = [
        primitive_at({"v": values, "_v": siblings}, "v", at) for at in range(max(len(values), len(siblings)))
    ]
    readable = [
        at
        for at, (raw, sibling) in enumerate(pairs)
        if raw == turn.hole or read(cell, raw, sibling, "")[0] is not MISS
    ]
    for at in reversed(readable[len(wanted) :]):
        del values[at : at + 1], siblings[at : at + 1]
    places = readable[: len(wanted)] + list(range(len(values), len(values) + len(wanted) - len(readable)))
    for at, value in zip(places, wanted, strict=False):
        _give_primitive(cell, values, siblings, at, value, turn)
    if (values, siblings) != before:
        _settle(here, name, values, siblings)
    return bool(wanted)


def give_presence(leaf: Any, path: Path, here: dict[str, Any], item: dict[str, Any]) -> bool:
    value = value_at(item, path)
    said = said_presence(leaf, here)
    guess = inferred(leaf, here)
    wanted = NULL_CODE if value is None else value if isinstance(value, str) else None
    if wanted == (said or guess):
        return wanted is not None
    kept = [
        one
        for one in here.get("extension", [])
        if not (isinstance(one, dict) and one.get("url") == presence_url(leaf))
    ]
    if wanted is not None and wanted != guess:
        kept.append({"url": presence_url(leaf), "valueCode": wanted})
    if kept:
        here["extension"] = kept
    else:
        here.pop("extension", None)
    return wanted is not None
