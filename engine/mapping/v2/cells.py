"""What generated functions call on the v2 side where a leaf is not plain: odd spellings, parts, lists, alternates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.leaves import MISS, NULL, BadValue, Marks, V2Leaf, read_leaf, write_leaf
from engine.mapping.rules import V2Place
from engine.mapping.v2.structure import Context, Group

ABSENT: Final = object()
"""Stands for a key that an event does not have; None is null."""
NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(slots=True, eq=False)
class Wire:
    """One message on its way: its delimiters, the hole, and how it is read.

    `simple` says that it has no escape, no null and no control character, so every leaf stands for itself. `force`
    makes a hole of all that is read, for the loss report.
    """

    marks: Marks
    hole: str
    simple: bool
    force: bool
    component: str
    repetition: str
    subcomponent: str
    fresh: Callable[[], str] | None = None
    made: bool = False


def wire_of(marks: Marks, hole: str, *, simple: bool, force: bool = False) -> Wire:
    """Return the context of one message's functions."""
    return Wire(marks, hole, simple, force, marks.component, marks.repetition, marks.subcomponent)


def take(
    into: dict[str, Any], key: str, cells: list[str], at: int, kind: V2Leaf, wire: Wire, pinned: bool
) -> None:
    """Read one leaf into `into`; a hole stays where its spelling is the one that is written, and no key."""
    raw = cells[at]
    value = read_leaf(raw, kind, wire.marks)
    if value is MISS or value == "":
        if kind.default and raw == kind.default and not pinned:
            cells[at] = wire.hole
        return
    into[key] = value
    if wire.force or (not pinned and spelled(value, kind, wire.marks) == raw):
        cells[at] = wire.hole


def take_deep(
    into: dict[str, Any], key: str, cells: list[str], at: int, kind: V2Leaf, wire: Wire, pinned: bool,
    component: int = 0, subcomponent: int = 0,
) -> None:  # fmt: skip
    """Read a leaf that is a part of the first repetition in `cells[at]`; parts count from 0."""
    first, mark, rest = cells[at].partition(wire.repetition)
    parts = first.split(wire.component)
    if component < len(parts):
        subs = parts[component].split(wire.subcomponent)
        if subcomponent < len(subs) and subs[subcomponent]:
            take(into, key, subs, subcomponent, kind, wire, pinned)
            parts[component] = wire.subcomponent.join(subs)
            cells[at] = wire.component.join(parts) + mark + rest


def take_sub(
    into: dict[str, Any], key: str, cells: list[str], at: int, kind: V2Leaf, wire: Wire, pinned: bool
) -> None:
    """Read the first subcomponent of a component."""
    subs = cells[at].split(wire.subcomponent)
    if subs[0]:
        take(into, key, subs, 0, kind, wire, pinned)
        cells[at] = wire.subcomponent.join(subs)


def spelled(value: Any, kind: V2Leaf, marks: Marks) -> str:
    """Return how a value is written, "" where it cannot be."""
    try:
        return write_leaf(value, kind, marks)
    except BadValue:
        return ""


def same(one: Any, other: Any) -> bool:
    """Say whether two values are equal and of one type: 1 is not true."""
    return type(one) is type(other) and bool(one == other)


def give(cells: list[str], at: int, value: Any, kind: V2Leaf, wire: Wire) -> None:
    """Write one leaf: what means the same keeps its spelling, what cannot be read stays unless there is a value.

    Raises:
        BadValue: the value is outside of the leaf's type.
    """
    raw = cells[at] if at < len(cells) else ""
    if value is ABSENT:
        if raw == wire.hole or (raw and read_leaf(raw, kind, wire.marks) is not MISS):
            cells[at] = kind.default
        elif kind.default and wire.made and not raw:
            while len(cells) <= at:
                cells.append("")
            cells[at] = kind.default
        return
    if raw and raw != wire.hole and same(read_leaf(raw, kind, wire.marks), value):
        return
    text = write_leaf(value, kind, wire.marks)
    while len(cells) <= at:
        cells.append("")
    cells[at] = text


def give_sub(cells: list[str], at: int, value: Any, kind: V2Leaf, wire: Wire) -> None:
    """Write the first subcomponent of a component, the others stay."""
    if at < len(cells) and wire.subcomponent in cells[at]:
        subs = cells[at].split(wire.subcomponent)
        give(subs, 0, value, kind, wire)
        cells[at] = wire.subcomponent.join(subs)
    else:
        give(cells, at, value, kind, wire)


def put_subs(cells: list[str], at: int, subs: list[str], wire: Wire) -> None:
    """Put a component's subcomponents back; nothing is made where there is nothing."""
    text = wire.subcomponent.join(subs)
    if at < len(cells):
        cells[at] = text
    elif text:
        while len(cells) <= at:
            cells.append("")
        cells[at] = text


def put_field(fields: list[str], at: int, text: str) -> None:
    """Put a field back; nothing is made where there is nothing."""
    if at < len(fields):
        fields[at] = text
    elif text:
        while len(fields) <= at:
            fields.append("")
        fields[at] = text


def read_place(fields: Sequence[str], place: V2Place, wire: Wire) -> str:
    """Return the raw text of a leaf, "" where it is not there."""
    at = place.index if place.segment else 0
    if at >= len(fields):
        return ""
    parts = fields[at].partition(wire.repetition)[0].split(wire.component)
    if place.component > len(parts):
        return ""
    subs = parts[place.component - 1].split(wire.subcomponent)
    return subs[place.subcomponent - 1] if place.subcomponent <= len(subs) else ""


def write_place(fields: list[str], place: V2Place, text: str, wire: Wire) -> None:
    """Replace the raw text of a leaf."""
    at = place.index if place.segment else 0
    while len(fields) <= at:
        fields.append("")
    first, mark, rest = fields[at].partition(wire.repetition)
    parts = first.split(wire.component)
    while len(parts) < place.component:
        parts.append("")
    subs = parts[place.component - 1].split(wire.subcomponent)
    while len(subs) < place.subcomponent:
        subs.append("")
    subs[place.subcomponent - 1] = text
    parts[place.component - 1] = wire.subcomponent.join(subs)
    fields[at] = wire.component.join(parts) + mark + rest


def take_first(
    into: dict[str, Any], key: str, members: Mapping[str, list[str]], places: Sequence[V2Place], kind: V2Leaf,
    wire: Wire, pinned: bool,
) -> None:  # fmt: skip
    """Read alternates: the first that can be read gives the value, all that are spelled as it is written are holes."""
    value: Any = MISS
    for place in places:
        fields = members.get(place.segment)
        raw = read_place(fields, place, wire) if fields is not None else ""
        if not raw or fields is None:
            continue
        found = read_leaf(raw, kind, wire.marks)
        if found is MISS or found == "":
            continue
        if value is MISS:
            value = found
            into[key] = value
        if same(found, value) and (wire.force or (not pinned and spelled(value, kind, wire.marks) == raw)):
            write_place(fields, place, wire.hole, wire)


def give_first(
    value: Any, group: Group, places: Sequence[V2Place], new: int, kind: V2Leaf, wire: Wire
) -> None:
    """Write alternates; the places before `new`, and all under `*_also`, are made where none carries the value."""
    carried = False
    for place in places:
        fields = group.members.get(place.segment)
        raw = read_place(fields, place, wire) if fields is not None else ""
        if not raw or fields is None:
            continue
        if raw == wire.hole:
            write_place(fields, place, "" if value is ABSENT else write_leaf(value, kind, wire.marks), wire)
            carried = True
            continue
        found = read_leaf(raw, kind, wire.marks)
        if found is MISS:
            continue
        if value is ABSENT:
            write_place(fields, place, "", wire)
        elif not carried and not same(found, value):
            write_place(fields, place, write_leaf(value, kind, wire.marks), wire)
        carried = True
    if not carried and value is not ABSENT:
        _make(write_leaf(value, kind, wire.marks), group, places, new, wire)


def _make(text: str, group: Group, places: Sequence[V2Place], new: int, wire: Wire) -> None:
    made = False
    for at, place in enumerate(places):
        fields = group.members.get(place.segment)
        empty = fields is None or not read_place(fields, place, wire)
        if (empty and not made) or (at >= new and empty) or (at == len(places) - 1 and not made):
            target = places[0] if not empty and not made else place
            fields = group.members.get(target.segment)
            if fields is None:
                fields = [target.segment]
                group.insert(target.segment, fields)
            write_place(fields, target, text, wire)
            made = True


def take_object(
    members: Mapping[str, list[str]], rows: Sequence[Sequence[V2Place]], kinds: Sequence[V2Leaf], wire: Wire
) -> list[Any] | None:
    """Read an object that may stand in several places: all its leaves come from the first that has one.

    `rows` are the places of its leaves, one row for each place of the object. What a further one says the same
    becomes a hole, too. None where there is no such object.
    """
    found: list[Any] | None = None
    for row in rows:
        raws = [read_place(members.get(place.segment, ()), place, wire) for place in row]
        values = [
            read_leaf(raw, kind, wire.marks) if raw else MISS for raw, kind in zip(raws, kinds, strict=True)
        ]
        if found is None:
            if all(value is MISS for value in values):
                continue
            found = values
        for place, raw, value, first, kind in zip(row, raws, values, found, kinds, strict=True):
            known = value is not MISS and same(value, first)
            if known and (wire.force or spelled(value, kind, wire.marks) == raw):
                write_place(members[place.segment], place, wire.hole, wire)
    return found


def give_object(
    group: Group,
    rows: Sequence[Sequence[V2Place]],
    kinds: Sequence[V2Leaf],
    values: Sequence[Any],
    wire: Wire,
) -> None:
    """Write such an object where it was read, else in its first place; what says the same elsewhere follows."""
    gone = all(value is ABSENT for value in values)
    carrier = next((at for at, row in enumerate(rows) if _holds_any(group, row, kinds, wire)), 0)
    for at, row in enumerate(rows):
        for place, kind, value in zip(row, kinds, values, strict=True):
            fields = group.members.get(place.segment)
            raw = read_place(fields, place, wire) if fields is not None else ""
            if at != carrier and not gone and raw != wire.hole:
                continue
            cell = [raw]
            give(cell, 0, value, kind, wire)
            if cell[0] == raw:
                continue
            if fields is None:
                fields = [place.segment]
                group.insert(place.segment, fields)
            write_place(fields, place, cell[0], wire)


def _holds_any(group: Group, row: Sequence[V2Place], kinds: Sequence[V2Leaf], wire: Wire) -> bool:
    for place, kind in zip(row, kinds, strict=True):
        fields = group.members.get(place.segment)
        raw = read_place(fields, place, wire) if fields is not None else ""
        if raw and (raw == wire.hole or read_leaf(raw, kind, wire.marks) is not MISS):
            return True
    return False


def sweep(cells: list[str], at: int, owned: int, wire: Wire) -> None:
    """Blank the holes that rules under another condition left: `owned` are the components that rules write, as bits."""
    if owned < 0 or at >= len(cells) or wire.hole not in cells[at]:
        return
    first, mark, rest = cells[at].partition(wire.repetition)
    parts = first.split(wire.component)
    for component, text in enumerate(parts):
        if not owned >> component & 1:
            parts[component] = text.replace(wire.hole, "")
    cells[at] = wire.component.join(parts) + mark + rest.replace(wire.hole, "")


TakeItem = Callable[[list[str], int, Wire], Any]
GiveItem = Callable[[list[str], int, Any, Wire], None]


def put_repetitions(
    raw: str, items: Any, taking: TakeItem, giving: GiveItem, key: Sequence[str] | None, wire: Wire
) -> str:
    """Return a field whose repetitions are `items`; what was not mapped stays with its item.

    Raises:
        BadValue: an item holds nothing, so that it could not be read again.
    """
    if items is None:
        return raw if raw == NULL else NULL
    old = raw.split(wire.repetition) if raw else []
    if old == [NULL] or raw == wire.hole:
        old = []
    places = [
        at
        for at, text in enumerate(old)
        if wire.hole in text or (text and _taken(taking, text, wire) is not ABSENT)
    ]
    partners = _partners(old, places, items, taking, key, wire)
    result: list[str] = []
    texts = iter(
        [
            _given(giving, old[at] if at >= 0 else "", item, wire)
            for at, item in zip(partners, items, strict=True)
        ]
    )
    held = set(places)
    for at, text in enumerate(old):
        if at not in held:
            result.append(text)
        elif (made := next(texts, None)) is not None:
            result.append(made)
    result.extend(texts)
    text = wire.repetition.join(result)
    return text + wire.repetition if text == NULL else text  # else it would be read as a list that is null


def _taken(taking: TakeItem, text: str, wire: Wire) -> Any:
    return taking(
        [text],
        0,
        Wire(wire.marks, wire.hole, False, False, wire.component, wire.repetition, wire.subcomponent),
    )


def _given(giving: GiveItem, text: str, item: Any, wire: Wire) -> str:
    cells = [text]
    giving(cells, 0, item, wire)
    if not cells[0] or item == {}:
        raise BadValue("an item of a list holds nothing")
    return cells[0]


def key_of(item: Any, key: Sequence[str]) -> Any:
    """Return the value that aligns an item, ABSENT where it has none."""
    for part in key:
        if not isinstance(item, dict) or part not in item:
            return ABSENT
        item = item[part]
    return item


def _partners(
    old: Sequence[str],
    places: Sequence[int],
    items: Sequence[Any],
    taking: TakeItem,
    key: Sequence[str] | None,
    wire: Wire,
) -> list[int]:
    """Return for each item the old repetition that it follows, -1 for a new one."""
    if key is None:
        return [places[at] if at < len(places) else -1 for at in range(len(items))]
    return paired(
        [key_of(_taken(taking, old[at], wire), key) for at in places],
        [key_of(item, key) for item in items],
        places,
    )


def paired(old: Sequence[Any], new: Sequence[Any], places: Sequence[int]) -> list[int]:
    """Return for each new key the place of an old one that equals it, each used once, -1 where there is none.

    Items without a key follow those without a key, in order.
    """
    free: dict[Any, list[int]] = {}
    for found, place in zip(old, places, strict=True):
        free.setdefault(found, []).append(place)
    return [free[one].pop(0) if free.get(one) else -1 for one in new]


def put_groups(
    group: Group,
    context: Context,
    items: Any,
    giving: Callable[[Group, Any, Wire], None],
    holds: Callable[[Group, Wire], bool],
    keys: Callable[[Group, Wire], Any] | None,
    wire: Wire,
) -> None:
    """Make a group's items those of the event: they follow their old segments by key or position, or are made."""
    old = [child for child in group.children.get(context.number, ()) if holds(child, wire)]
    many = context.many
    if many is None:
        return
    if keys is None or many.key is None:
        partners = [at if at < len(old) else -1 for at in range(len(items))]
    else:
        key = many.key
        partners = paired(
            [keys(child, wire) for child in old], [key_of(item, key) for item in items], range(len(old))
        )
    made = [
        old[at] if at >= 0 else new_group(context, wire) for at, item in zip(partners, items, strict=True)
    ]
    _replace(group, old, made)
    for at, (child, item) in enumerate(zip(made, items, strict=True)):
        if item == {}:
            raise BadValue("an item of a list holds nothing")
        giving(child, item, wire)
        begin(child)
        if many.number is not None:
            give_number(child, many.number, at + 1, wire, new=partners[at] < 0)


def begin(child: Group) -> None:
    """Give an item a segment that begins it, where none of its values made one."""
    anchors = child.context.anchors
    if not any(name in child.members for name in anchors):
        child.insert(anchors[-1], [anchors[-1]])


def new_group(context: Context, wire: Wire) -> Group:
    """Return the segments of a new item: what begins it, and what the mapper always writes."""
    child = Group(context)
    many = context.many
    if many is not None and len(many.anchors) == 1:
        fields = [many.anchors[0]]
        child.insert(many.anchors[0], fields)
    for place, text in many.v2_constants if many is not None else ():
        if place.segment not in child.members:
            child.insert(place.segment, [place.segment])
        write_place(child.members[place.segment], place, wire.marks.write(text), wire)
    return child


def take_number(members: Mapping[str, list[str]], place: V2Place, number: int, wire: Wire) -> None:
    """Make a hole of a set id that only says which item it is: the order of the list carries it."""
    fields = members.get(place.segment)
    if fields is not None and read_place(fields, place, wire) == str(number):
        write_place(fields, place, wire.hole, wire)


def give_number(child: Group, place: V2Place, number: int, wire: Wire, *, new: bool) -> None:
    """Write a set id into a new item, or where it said which item it is."""
    fields = child.members.get(place.segment)
    if fields is not None and (new or read_place(fields, place, wire) == wire.hole):
        write_place(fields, place, str(number), wire)


def _replace(group: Group, old: list[Group], made: list[Group]) -> None:
    """Put the groups `made` where `old` stood, further ones behind the last of them."""
    gone = set(map(id, old))
    queue = iter(made)
    entries: list[Any] = []
    last = -1
    for entry in group.entries:
        if id(entry) not in gone:
            entries.append(entry)
        elif (child := next(queue, None)) is not None:
            entries.append(child)
            last = len(entries)
    group.entries[:] = entries
    more = list(queue)
    if more:
        at = last if last >= 0 else group.place_for(group.context.rank[more[0].context.number])
        group.entries[at:at] = more
