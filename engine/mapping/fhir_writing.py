"""What the generated functions that make FHIR call for a leaf: the short way, the general one where it does not do."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, Final

from engine.mapping.fhir_leaves import DATA_ABSENT, EVENT_VALUE, FhirLeaf
from engine.mapping.fhir_plan import Cell
from engine.mapping.fhir_values import Turn, give_cell, printed, zone_offset
from engine.mapping.leaves import BadValue
from engine.mapping.v2_cells import ABSENT

_moment: Final = datetime.datetime.fromisoformat
_day: Final = datetime.date.fromisoformat
NOTHING: Final[dict[str, Any]] = {}
"""What an event object is taken for that is not there; nobody writes into it."""


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


def put_day(cell: Cell, here: dict[str, Any], item: dict[str, Any], value: Any, turn: Turn) -> None:
    """Write a moment into a date."""
    if (
        value.__class__ is str
        and len(value) == 10
        and value[4] == "-"
        and value[7] == "-"
        and _holds(_day, value)
    ):
        here[cell.name] = value
        return
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


def items(found: Any) -> Any:
    """Return the items of an event's list.

    Raises:
        BadValue: it is no list.
    """
    if found is ABSENT or found is None:
        return ()
    if not isinstance(found, list):
        raise BadValue("a list is needed")
    return found


def empty_item() -> BadValue:
    """Return what is said of an item of a list without any value."""
    return BadValue("an item of a list holds nothing")


def filler() -> dict[str, Any]:
    """Return an item of a list that stands for a place of which nothing is known."""
    return {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
