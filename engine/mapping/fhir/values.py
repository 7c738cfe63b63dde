"""Primitives of a JSON object with what stands beside them: read, written, blanked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.mapping.fhir.leaves import DATA_ABSENT, EVENT_VALUE, NO_RAW, event_value, said_value
from engine.mapping.fhir.nodes import Cell
from engine.mapping.leaves import MISS, BadValue
from engine.mapping.rules import ABSENT_CODE, Default, FhirPath, Path, Selector, When
from engine.mapping.v2.cells import ABSENT, same

MARK: Final = "urn:passerelle:fhir:item"
_ABSENCE: Final = {"url": DATA_ABSENT, "valueCode": "unknown"}
_OFFSET_LENGTH: Final = 6


@dataclass(slots=True, eq=False)
class Turn:
    """One resource tree on its way: how it is read.

    `carriers` says which place of a leaf with several had it, `gone` are the resources of items that are gone.
    `probe` reads without changing anything, a hole counting as a value. `force` makes a hole of all that is read.
    """

    data: dict[str, Any]
    zone: str
    hole: str
    force: bool = False
    probe: bool = False
    made: bool = False
    carriers: dict[tuple[int, int], int] = field(default_factory=dict)
    gone: list[dict[str, Any]] = field(default_factory=list)


class HoleTaken(Exception):
    """The text that was to be the hole stands in the source itself: begin again with another."""


def value_at(data: Any, path: Path) -> Any:
    """Return what stands at an event path, ABSENT where nothing does."""
    for key in path:
        if not isinstance(data, dict):
            return ABSENT
        data = data.get(key, ABSENT)
        if data is ABSENT:
            return ABSENT
    return data


def put_value(data: dict[str, Any], path: Path, value: Any) -> None:
    """Set a leaf of an event, objects on the way made."""
    for key in path[:-1]:
        data = data.setdefault(key, {})
    data[path[-1]] = value


def holds_now(when: When | None, item: Mapping[str, Any]) -> bool:
    """Say whether a condition holds in an item."""
    if when is None:
        return True
    for path, values in when.tests:
        value = value_at(item, path)
        if value is ABSENT:
            value = None
        if "present" in values:
            if value is None:
                return False
        elif not (value is None or isinstance(value, str)) or value not in values:
            return False
    return True


def json_at(node: Any, path: FhirPath) -> Any:
    """Return what stands at a FHIR path, ABSENT where nothing does."""
    for step in path:
        if isinstance(step, str):
            node = node.get(step, ABSENT) if isinstance(node, dict) else ABSENT
        elif isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else ABSENT
        else:
            found = (one for one in node if meets(one, step)) if isinstance(node, list) else iter(())
            node = next(found, ABSENT)
        if node is ABSENT:
            return ABSENT
    return node


def meets(item: Any, selector: Selector) -> bool:
    """Say whether an item of a list meets a selector."""
    for path, text in selector.conditions:
        found = json_at(item, path)
        if found != text and not (isinstance(found, bool) and str(found).lower() == text):
            return False
    return True


def default_of(cell: Cell, item: Any, data: Any) -> str:
    """Return the text that stands for no value, "" for none; `absent` is a data-absent-reason."""
    found = cell.leaf.default.get("fhir")
    return "" if found is None else chosen_default(found, item, data)


def chosen_default(default: Default, item: Any, data: Any) -> str:
    """Return a default's text: by a leaf of the same item, else of the whole event."""
    if not default.by:
        return default.text
    code = value_at(item, default.by)
    if code is ABSENT:
        code = value_at(data, default.by)
    return default.codes.get(code, default.text) if isinstance(code, str) else default.text


@lru_cache(maxsize=4096)
def zone_offset(zone: str, moment: str) -> str:
    """Return the offset that a zone has at a moment, a text without one."""
    import datetime

    try:
        when = datetime.datetime.fromisoformat(
            (moment + "-01-01"[len(moment) - 4 :])[:10]
            if len(moment) < 10
            else moment[:13] + (":00" if len(moment) > 10 else "")
        )
    except ValueError:
        return "+00:00"
    minutes = int((ZoneInfo(zone).utcoffset(when) or datetime.timedelta()).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def offset_of(cell: Cell, value: Any, zone: str) -> str:
    """Return the offset that a time without one has in the zone."""
    if not cell.kind.zoned or not isinstance(value, str):
        return ""
    return "+00:00" if zone == "UTC" else zone_offset(zone, value[:13])


def printed(cell: Cell, value: Any, offset: str, default: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the primitive for a value, and the extension where it says less."""
    if value is None:
        return NO_RAW, event_value(None)
    raw = cell.kind.write(value, offset)
    back = MISS if raw is NO_RAW or (default and raw == default) else cell.kind.parse(raw)
    return raw, None if same(back, value) else event_value(value)


def offset_in(raw: Any) -> str:
    """Return the offset that a time of FHIR says, "" for none."""
    tail = raw[-_OFFSET_LENGTH:] if isinstance(raw, str) else ""
    return (
        tail
        if len(raw) > 10 and tail[:1] in "+-" and tail[3:4] == ":"
        else "+00:00"
        if tail.endswith("Z")
        else ""
    )


def read(cell: Cell, raw: Any, sibling: Any, default: str) -> tuple[Any, Any]:
    """Return the event's value of a primitive (MISS where there is none), and the extension that it came from."""
    found = _beside(sibling)
    if found is not None:
        value = said_value(found)
        if value is not MISS:
            offset = offset_in(raw) if cell.kind.zoned and raw is not NO_RAW else ""
            try:
                expected, _ = printed(cell, value, offset, default)
            except BadValue:  # somebody else's extension says what no rule can
                expected = MISS
            if expected is raw or same(expected, raw):
                return value, found
    if raw is NO_RAW or (default and raw == default):
        return MISS, None
    return cell.kind.parse(raw), None


def _beside(sibling: Any) -> Any:
    extensions = sibling.get("extension") if isinstance(sibling, dict) else None
    if not isinstance(extensions, list):
        return None
    return next((one for one in extensions if isinstance(one, dict) and one.get("url") == EVENT_VALUE), None)


def take_cell(cell: Cell, node: dict[str, Any], item: dict[str, Any], turn: Turn) -> None:
    """Read one primitive of an object into the event; a hole stays where it is as it would be written."""
    raw, below = node.get(cell.name, NO_RAW), f"_{cell.name}"
    sibling = node.get(below)
    if cell.yields_to:
        _take_yielded(cell, node, item)
    if (raw is NO_RAW and sibling is None) or (cell.shared and _is_others(cell, sibling)):
        return
    if isinstance(raw, str) and raw == turn.hole:
        if turn.probe:
            put_value(item, cell.path, turn.hole)
            _carries(cell, turn)
        elif raw is not turn.hole:
            raise HoleTaken
        return
    default = default_of(cell, item, turn.data)
    value, extension = read(cell, raw, sibling, default)
    if value is MISS:
        if turn.force and raw is not NO_RAW and default and raw == default:
            node[cell.name] = turn.hole
        return
    known = value_at(item, cell.path) if cell.alternates > 1 else ABSENT
    if known is ABSENT:
        put_value(item, cell.path, value)
    elif not same(known, value):
        return
    _carries(cell, turn)
    if turn.force or not (turn.probe or cell.pinned):
        _make_hole(cell, node, (raw, sibling, value, extension, default), turn)


def _make_hole(cell: Cell, node: dict[str, Any], found: tuple[Any, Any, Any, Any, str], turn: Turn) -> None:
    """Leave a hole where a primitive is as it would be written; anyway for the loss report."""
    raw, sibling, value, extension, default = found
    if not turn.force:
        expected, said = printed(cell, value, offset_of(cell, value, turn.zone), default)
        if not is_canonical(raw, sibling, expected, said, extension):
            return
    node[cell.name] = turn.hole
    if extension is not None and sibling is not None:
        _drop_extension(node, f"_{cell.name}", sibling, extension)


def _carries(cell: Cell, turn: Turn) -> None:
    if cell.alternates > 1 and turn.probe:
        key = (id(cell.leaf), 0)
        turn.carriers[key] = min(turn.carriers.get(key, cell.rank), cell.rank)


def is_canonical(raw: Any, sibling: Any, expected: Any, said: Any, extension: Any) -> bool:
    """Say whether what stands there is exactly what would be written."""
    if not (expected is raw or (same(expected, raw) and str(expected) == str(raw))):
        return False
    if said is None:
        return extension is None
    return bool(sibling == {"extension": [said]})


def _drop_extension(node: dict[str, Any], below: str, sibling: dict[str, Any], extension: Any) -> None:
    kept = [one for one in sibling["extension"] if one is not extension]
    if kept:
        node[below] = {**sibling, "extension": kept}
    elif len(sibling) > 1:
        node[below] = {key: value for key, value in sibling.items() if key != "extension"}
    else:
        del node[below]


def _is_others(cell: Cell, sibling: Any) -> bool:
    """Say whether an element that two leaves share is the other's: the one that yields marks what it wrote."""
    extensions = sibling.get("extension") if isinstance(sibling, dict) else None
    marks = (
        [one for one in extensions if isinstance(one, dict) and one.get("url") == MARK]
        if isinstance(extensions, list)
        else []
    )
    return not marks if cell.yields_to else bool(marks)


def _mark_shared(cell: Cell, node: dict[str, Any], *, owned: bool) -> None:
    below = f"_{cell.name}"
    sibling = node.get(below)
    kept = (
        [one for one in sibling.get("extension", ()) if one.get("url") != MARK]
        if isinstance(sibling, dict)
        else []
    )
    if owned:
        kept.append({"url": MARK, "valueCode": ".".join(cell.path)})
    elif not (isinstance(sibling, dict) and len(kept) != len(sibling.get("extension", ()))):
        return
    rest = (
        {key: value for key, value in sibling.items() if key != "extension"}
        if isinstance(sibling, dict)
        else {}
    )
    if kept:
        rest["extension"] = kept
    if rest:
        node[below] = rest
    else:
        node.pop(below, None)


def yielded_url(cell: Cell) -> str:
    """Return the extension that holds a value whose element another leaf has."""
    return f"urn:passerelle:fhir:{cell.name}"


def _take_yielded(cell: Cell, node: dict[str, Any], item: dict[str, Any]) -> None:
    for one in node.get("extension", ()) if isinstance(node.get("extension"), list) else ():
        if isinstance(one, dict) and one.get("url") == yielded_url(cell):
            value = said_value({**one, "url": EVENT_VALUE})
            if value is not MISS:
                put_value(item, cell.path, value)


def give_cell(cell: Cell, node: dict[str, Any], item: dict[str, Any], turn: Turn) -> bool:
    """Write one primitive of an object; True where the event has a value for it."""
    value = value_at(item, cell.path)
    if cell.yields_to:
        value = _give_yielded(cell, node, item, value)
    raw, below = node.get(cell.name, NO_RAW), f"_{cell.name}"
    if cell.shared and value is ABSENT and _is_others(cell, node.get(below)):
        return False
    if cell.shared and value is not ABSENT and _is_others(cell, node.get(below)):
        raw = NO_RAW
        node.pop(cell.name, None)
        node.pop(below, None)
    if value is ABSENT:
        if raw is not NO_RAW or below in node:
            _blank(cell, node, item, turn)
        return False
    if raw is NO_RAW and below not in node:
        if not _is_written(cell, turn):
            return True
    elif raw != turn.hole:
        carrier = turn.carriers.get((id(cell.leaf), 0), cell.rank)
        if cell.alternates > 1 and carrier != cell.rank:
            return True
        default = default_of(cell, item, turn.data)
        known, extension = read(cell, raw, node.get(below), default)
        if known is not MISS and same(known, value):
            return True
        if extension is not None:
            _drop_extension(node, below, node[below], extension)
        _forget_absence(node, below)
    _write(cell, node, value, default_of(cell, item, turn.data), turn)
    if cell.shared and cell.yields_to:
        _mark_shared(cell, node, owned=True)
    return True


def _is_written(cell: Cell, turn: Turn) -> bool:
    """Say whether an alternate that is not there is made: the first one, and those that are made, too."""
    if cell.alternates == 1:
        return True
    carried = (id(cell.leaf), 0) in turn.carriers
    return not carried and (cell.rank == 0 or cell.also)


def _write(cell: Cell, node: dict[str, Any], value: Any, default: str, turn: Turn) -> None:
    raw, extension = printed(cell, value, offset_of(cell, value, turn.zone), default)
    if raw is NO_RAW:
        node.pop(cell.name, None)
    else:
        node[cell.name] = raw
    if extension is not None:
        below = f"_{cell.name}"
        sibling = node.get(below)
        if isinstance(sibling, dict):
            node[below] = {**sibling, "extension": [*sibling.get("extension", ()), extension]}
        else:
            node[below] = {"extension": [extension]}


def _forget_absence(node: dict[str, Any], below: str) -> None:
    if node.get(below) == {"extension": [_ABSENCE]}:
        del node[below]


def _blank(cell: Cell, node: dict[str, Any], item: Any, turn: Turn) -> None:
    below = f"_{cell.name}"
    raw = node.get(cell.name, NO_RAW)
    default = default_of(cell, item, turn.data)
    if isinstance(raw, str) and raw == turn.hole:
        del node[cell.name]
    else:
        value, extension = read(cell, raw, node.get(below), default)
        if value is MISS:
            return
        node.pop(cell.name, None)
        if extension is not None:
            _drop_extension(node, below, node[below], extension)
    if cell.shared:
        _mark_shared(cell, node, owned=False)
    if default:
        give_default(cell, node, default)


def give_default(cell: Cell, node: dict[str, Any], text: str) -> None:
    """Write what stands for no value, where nothing stands there."""
    if cell.name in node or f"_{cell.name}" in node or text == "none":
        return
    if text == ABSENT_CODE:
        node[f"_{cell.name}"] = {"extension": [dict(_ABSENCE)]}
    else:
        node[cell.name] = text


def _give_yielded(cell: Cell, node: dict[str, Any], item: dict[str, Any], value: Any) -> Any:
    """Put the value beside where another leaf has the element; return what the element itself gets."""
    name = yielded_url(cell)
    extensions = node.get("extension")
    found = (
        [one for one in extensions if isinstance(one, dict) and one.get("url") == name]
        if isinstance(extensions, list)
        else []
    )
    yields = value is not ABSENT and value_at(item, cell.yields_to) is not ABSENT
    wanted = [{**event_value(value), "url": name}] if yields else []
    if found != wanted:
        kept = [one for one in extensions if one not in found] if isinstance(extensions, list) else []
        node["extension"] = kept + wanted
        if not node["extension"]:
            del node["extension"]
    return ABSENT if yields else value


def items_of(item: dict[str, Any], path: Path) -> Sequence[Any]:
    """Return the items of a list of the event; BadValue where it is none."""
    values = value_at(item, path)
    if values is ABSENT or values is None:
        return ()
    if not isinstance(values, list):
        raise BadValue("a list is needed")
    return values
