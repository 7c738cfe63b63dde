"""Which groups of a complement were items of the event, and by which key they are found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.mapping.leaves import MISS, V2Leaf, read_leaf
from engine.mapping.rules import V2Place
from engine.mapping.v2 import cells as v2_cells
from engine.mapping.v2.spans import take_children


def holder(find: Callable[[str], Any]) -> Callable[[Any, v2_cells.Wire], bool]:
    """Return the function that says whether a group of a complement was an item: it has a hole, or is read as one.

    `find` gives the generated function of a name.
    """

    def holds(group: Any, wire: v2_cells.Wire) -> bool:
        if _has_hole(group, wire.hole):
            return True
        again = v2_cells.Wire(
            wire.marks, wire.hole, False, False, wire.component, wire.repetition, wire.subcomponent
        )

        def take(child: Any, x: dict[str, Any], number: str) -> None:
            find(f"g{child.context.number}")(child, x, again)
            take_children(child, x, take)

        found: dict[str, Any] = {}
        take(_copied(group), found, "")
        return bool(found)

    return holds


def _has_hole(group: Any, hole: str) -> bool:
    return any(
        _has_hole(entry, hole) if not isinstance(entry, list) else any(hole in text for text in entry)
        for entry in group.entries
    )


def _copied(group: Any) -> Any:
    copy = type(group)(group.context)
    copy.members = {name: list(fields) for name, fields in group.members.items()}
    copy.children = {number: [_copied(child) for child in found] for number, found in group.children.items()}
    return copy


def key_reader(place: V2Place, kind: V2Leaf) -> Callable[[Any, v2_cells.Wire], Any]:
    """Return the function that reads the key of a group, which is never a hole."""

    def read(group: Any, wire: v2_cells.Wire) -> Any:
        fields = group.members.get(place.segment)
        raw = v2_cells.read_place(fields, place, wire) if fields is not None else ""
        if not raw:
            return v2_cells.ABSENT
        value = read_leaf(raw, kind, wire.marks)
        return v2_cells.ABSENT if value is MISS else value

    return read
