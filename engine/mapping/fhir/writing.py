"""What the generated functions that make FHIR call for a leaf: the short way, the general one where it does not do."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from engine.mapping.fhir.leaves import DATA_ABSENT, EVENT_VALUE, FhirLeaf
from engine.mapping.fhir.nodes import Cell
from engine.mapping.fhir.primitives import give_primitives
from engine.mapping.fhir.values import Turn, give_cell, printed, zone_offset
from engine.mapping.leaves import BadValue

_moment: Final = datetime.datetime.fromisoformat
_day: Final = datetime.date.fromisoformat
_KEPT: Final = 4096
"""How many values a quick look-up keeps."""


def redo(cell: Cell, here: dict[str, Any], item: dict[str, Any], turn: Turn) -> None:
    """Write an unusual value over what was put in its place for a start."""
    del here[cell.name]
    give_cell(cell, here, item, turn)


def redo_time(cell: Cell, here: dict[str, Any], item: dict[str, Any], value: Any, turn: Turn) -> None:
    """Write a moment that is not as its primitive needs it."""
    del here[cell.name]
    if cell.kind.primitive == "date":
        give_cell(cell, here, item, turn)
    else:
        put_time(cell, here, item, value, turn)


def redo_primitives(
    cells: dict[int, Cell], here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn
) -> None:
    """Write a list of primitives of which one is unusual."""
    del here[name]
    give_primitives(cells, here, name, item, turn)


@lru_cache(maxsize=_KEPT)
def quick_moment(value: Any) -> str | None:
    """Return a moment that is a dateTime and an instant as it stands, None for any other value."""
    if (
        value.__class__ is str
        and len(value) == 25
        and value[4] == value[7] == "-"
        and value[10] == "T"
        and value[13] == value[16] == value[22] == ":"
        and value[19] in "+-"
        and value[20:22] < "15"
        and _holds(_moment, value)
    ):
        return str(value)
    return None


@lru_cache(maxsize=_KEPT)
def quick_day(value: Any) -> str | None:
    """Return a moment that is a date as it stands, None for any other value."""
    if value.__class__ is str and len(value) == 10 and value[4] == value[7] == "-" and _holds(_day, value):
        return str(value)
    return None


def quick_value(cell: Cell, default: str) -> Callable[[Any], Any]:
    """Return a function that gives the primitive for a value which it says wholly, None for any other."""

    @lru_cache(maxsize=_KEPT, typed=True)
    def quick(value: Any) -> Any:
        try:
            raw, extension = printed(cell, value, "", default)
        except BadValue:
            return None
        return raw if extension is None else None

    return quick


def put_time(cell: Cell, here: dict[str, Any], item: dict[str, Any], value: Any, turn: Turn) -> None:
    """Write a moment into a dateTime or an instant."""
    if (
        value.__class__ is str
        and len(value) == 19
        and value[4] == value[7] == "-"
        and value[10] == "T"
        and value[13] == value[16] == ":"
        and _holds(_moment, value)
    ):
        offset = "+00:00" if turn.zone == "UTC" else zone_offset(turn.zone, value[:13])
        here[cell.name] = value + offset
        here[f"_{cell.name}"] = {"extension": [{"url": EVENT_VALUE, "valueString": value}]}
    else:
        give_cell(cell, here, item, turn)


def _holds(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def codes(kind: FhirLeaf, events: tuple[str, ...], default: str) -> dict[str, Any]:
    """Return what is written for each code of a table that the element says wholly."""
    cell = Cell("", None, (), kind, None)  # type: ignore[arg-type]  # `printed` asks for the functions alone
    found = {}
    for event in events:
        raw, extension = printed(cell, event, "", default)
        if extension is None:
            found[event] = raw
    return found


def filler() -> dict[str, Any]:
    """Return an item of a list that stands for a place of which nothing is known."""
    return {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
