"""Objects that a whole field holds: written into it, or read from the first of several fields that has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.mapping.leaves import MISS, V2Leaf, read_leaf
from engine.mapping.rules import Path, V2Place
from engine.mapping.v2.cells import (
    ABSENT,
    GiveItem,
    TakeItem,
    Wire,
    give,
    key_of,
    put_field,
    read_place,
    same,
    spelled,
    write_place,
)
from engine.mapping.v2.structure import Group

Cells = Sequence[tuple[str, int]]
Leaves = Sequence[tuple[Path, V2Place, V2Leaf]]


def put_object(fields: list[str], at: int, value: Any, giving: GiveItem, wire: Wire) -> None:
    """Write an object into the first repetition of a field."""
    first, mark, rest = (fields[at] if at < len(fields) else "").partition(wire.repetition)
    cells = [first]
    giving(cells, 0, value, wire)
    put_field(fields, at, cells[0] + mark + rest)


def take_together(
    members: Mapping[str, list[str]], cells: Cells, taking: TakeItem, leaves: Leaves, wire: Wire
) -> Any:
    """Read an object of which there are several places: all its leaves come from the first that has one.

    What a further place says the same becomes a hole, too. ABSENT where there is no such object.
    """
    found: Any = ABSENT
    before = after = ""
    for name, at in cells:
        fields = members.get(name)
        if fields is None or at >= len(fields) or not fields[at]:
            continue
        first, mark, rest = fields[at].partition(wire.repetition)
        box = [first]
        if found is ABSENT:
            found = taking(box, 0, wire)
            before, after = first, box[0]
        elif first == before:
            box = [after]
        else:
            _take_same(box, found, leaves, wire)
        fields[at] = box[0] + mark + rest
    return found


def _take_same(box: list[str], item: Any, leaves: Leaves, wire: Wire) -> None:
    for path, place, kind in leaves:
        raw = read_place(box, place, wire)
        value = read_leaf(raw, kind, wire.marks) if raw else MISS
        if value is MISS or not same(value, key_of(item, path)):
            continue
        if wire.force or spelled(value, kind, wire.marks) == raw:
            write_place(box, place, wire.hole, wire)


def give_together(
    group: Group, cells: Cells, taking: TakeItem, giving: GiveItem, leaves: Leaves, value: Any, wire: Wire
) -> None:
    """Write such an object where it was read, else in its first place; what said the same elsewhere follows."""
    firsts = [_first(group, name, at, wire) for name, at in cells]
    if not value and not any(firsts):
        return
    probe = Wire(wire.marks, wire.hole, False, False, wire.component, wire.repetition, wire.subcomponent)
    carrier = next((at for at, text in enumerate(firsts) if text and _holds(text, taking, probe)), 0)
    box = [firsts[carrier]]
    giving(box, 0, value, wire)
    for at, (name, index) in enumerate(cells):
        before = firsts[at]
        if at == carrier:
            after = box[0]
        elif not value:
            other = [before]
            giving(other, 0, value, wire)
            after = other[0]
        elif before and before == firsts[carrier]:
            after = box[0]
        else:
            after = _give_same(before, value, leaves, wire)
        if after != before:
            _put(group, name, index, after, wire)


def _first(group: Group, name: str, at: int, wire: Wire) -> str:
    fields = group.members.get(name)
    return fields[at].partition(wire.repetition)[0] if fields is not None and at < len(fields) else ""


def _holds(text: str, taking: TakeItem, probe: Wire) -> bool:
    return probe.hole in text or taking([text], 0, probe) is not ABSENT


def _give_same(text: str, value: Any, leaves: Leaves, wire: Wire) -> str:
    if wire.hole not in text:
        return text
    box = [text]
    for path, place, kind in leaves:
        if read_place(box, place, wire) == wire.hole:
            cell = [wire.hole]
            give(cell, 0, key_of(value, path), kind, wire)
            write_place(box, place, cell[0], wire)
    return box[0]


def _put(group: Group, name: str, at: int, text: str, wire: Wire) -> None:
    fields = group.members.get(name)
    if fields is None:
        fields = [name]
        group.insert(name, fields)
    _, mark, rest = (fields[at] if at < len(fields) else "").partition(wire.repetition)
    put_field(fields, at, text + mark + rest)
