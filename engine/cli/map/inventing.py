"""Makes up events from a mapper's rules, the same for a seed, and makes one that breaks a law small."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.mapping.rules import Definition, Leaf, Many, Path, Scope, When

Event = dict[str, Any]

_LETTERS: Final = "abcXYZ019 .,'-/^~&|\\#éÉñ"
"""What texts are made of: delimiters and escapes above all."""
_LONGEST: Final = 8
_MOST_ITEMS: Final = 3
_PRESENT: Final = (6, 6, 6, 12, 12, 24, 96)
"""Rules that say something: about one of these for each event, so that most are small and a few have much."""
_MOST_PRESENT: Final = 0.6
_LISTED: Final = 0.1
"""The least chance of a list, which is there only where one of its rules says something."""
PRESENT: Final = "present"
"""As a code of a condition: any value."""
_NULL: Final = 0.03
"""Chance of a leaf to be null, which HL7 says as two quotes."""
_TYPED: Final = re.compile(r"[\d.:T+-]+")
"""Moments and numbers, of which a part is none."""
_MOST_TRIES: Final = 2_000
"""How often a law is asked while an event is made small."""


def events(definition: Definition, seed: int) -> Iterator[Event]:
    """Yield events without end; each has what the rules can say, and is not empty."""
    random = Random(seed)  # noqa: S311  chance that can be repeated, not secrecy
    rules = max(1, sum(len(scope.leaves) for scope in definition.scope.walk()))
    while True:
        made = _object(definition.scope, random, min(_MOST_PRESENT, random.choice(_PRESENT) / rules))
        if made:
            yield made


def smallest(event: Event, fails: Callable[[Event], bool]) -> Event:
    """Return an event for which `fails` holds as for this one, and from which nothing more can be taken."""
    tries = 0
    found = True
    while found and tries < _MOST_TRIES:
        found = False
        for smaller in _smaller(event):
            tries += 1
            if smaller and fails(smaller):
                event, found = smaller, True
                break
            if tries >= _MOST_TRIES:
                break
    return event


def within(definition: Definition, event: Event, side: str) -> Event:
    """Return what of an event the rules of one side can say: others have no place there."""
    return _within(definition, definition.scope, event, side, ())


# --------------------------------------------------------------------------- making


def _object(scope: Scope, random: Random, present: float, *, null: bool = True) -> Event:
    made: Event = {}
    for leaf in scope.leaves:
        if _can_be_said(leaf) and _holds(leaf.when, made) and random.random() < present:
            _put(made, leaf.path, _value(leaf, random, null=null))
    for many in scope.lists:
        if _holds(many.when, made) and random.random() < max(present, _LISTED):
            if null and _may_be_null(many) and random.random() < _NULL:
                _put(made, many.path, None)
                continue
            found = (
                _items(many, random, present, null=null)
                if many.many
                else _object(many.scope, random, present, null=null)
            )
            if found:
                _put(made, many.path, found)
    return made


def _can_be_said(leaf: Leaf) -> bool:
    """Say whether an event can have it: a closed table without rows leaves it to its default."""
    return leaf.table is None or leaf.table.open or bool(leaf.table.rows)


def _may_be_null(many: Many) -> bool:
    """Say whether a list can be null: HL7 says it of repetitions, never of segments."""
    return many.many and many.place is not None


def _within(definition: Definition, scope: Scope, event: Event, side: str, full: Path) -> Event:
    made: Event = {}
    for leaf in scope.leaves:
        placed = getattr(leaf, side) or (side == "fhir" and leaf.present)
        value = _at(event, leaf.path, _NOTHING)
        if (
            placed
            and value is not _NOTHING
            and _holds(leaf.when, event)
            and not _unsayable(leaf, value, side)
        ):
            _put(made, leaf.path, value)
    for many in scope.lists:
        found, path = _at(event, many.path, _NOTHING), full + many.path
        if isinstance(found, list):
            if many.plain:
                items = found if _is_placed(definition, many, side, path) else []
            else:
                items = [_within(definition, many.scope, each, side, path) for each in found]
            found = [each for each in items if each != {}]
        elif isinstance(found, dict):
            found = _within(definition, many.scope, found, side, path)
        elif found is None and not (_may_be_null(many) and _is_placed(definition, many, side, path)):
            continue
        if found is not _NOTHING and found not in ([], {}):
            _put(made, many.path, found)
    return made


def _is_placed(definition: Definition, many: Many, side: str, full: Path) -> bool:
    """Say whether a side has a place for a list."""
    if side == "v2":
        return many.place is not None or bool(many.anchors)
    if side == "fhir" and any(slot.each == full for slot in definition.slots.values()):
        return True
    return getattr(many, side) is not None


def _unsayable(leaf: Leaf, value: Any, side: str) -> bool:
    """Say whether HL7 cannot tell a value from none: it is what is written where there is none."""
    default = leaf.default.get("v2") if side == "v2" else None
    if default is None:
        return False
    codes = leaf.table.rows.get(value, {}).get("v2", ()) if leaf.table is not None else (value,)
    return bool({default.text, *default.codes.values()} & {*codes})


def _holds(when: When | None, made: Event) -> bool:
    return when is None or all(
        _at(made, path) in values or (PRESENT in values and _at(made, path) is not None)
        for path, values in when.tests
    )


def _items(many: Many, random: Random, present: float, *, null: bool) -> list[Any]:
    """Return items without null where they are repetitions: a field that is null as a whole is no list of nulls."""
    made: list[Any] = []
    keys: set[Any] = set()
    for _ in range(random.randint(1, _MOST_ITEMS)):
        if many.plain:
            made.append(_value(many.scope.leaves[0], random, null=False))
            continue
        item = _object(many.scope, random, present, null=null and many.place is None)
        if many.key is not None:
            key = _at(item, many.key)
            if key is None or key in keys:
                continue  # items are told apart by it
            keys.add(key)
        if item:
            made.append(item)
    return made


def _value(leaf: Leaf, random: Random, *, null: bool = True) -> Any:
    if null and leaf.when is None and random.random() < _NULL:
        return None
    if leaf.table is not None:
        return random.choice(sorted(leaf.table.rows)) if leaf.table.rows else _text(random)
    return _MADE.get(leaf.kind, _text)(random)


def _text(random: Random) -> str:
    made = "".join(random.choice(_LETTERS) for _ in range(random.randint(1, _LONGEST))).strip()
    return made or "0"


def _moment(random: Random) -> str:
    year, month, day = random.randint(1900, 2099), random.randint(1, 12), random.randint(1, 28)
    parts = random.randint(1, 6)
    text = "-".join((f"{year:04}", f"{month:02}", f"{day:02}")[:parts])
    if parts < 4:
        return text
    text += f"T{random.randint(0, 23):02}" + "".join(f":{random.randint(0, 59):02}" for _ in range(parts - 4))
    return text + random.choice(("", "-05:00", "+01:30", "+00:00"))


def _time(random: Random) -> str:
    parts = [random.randint(0, 23), random.randint(0, 59), random.randint(0, 59)]
    return ":".join(f"{each:02}" for each in parts[: random.randint(1, 3)])


def _number(random: Random) -> str:
    return random.choice(("0", "1.50", "-3", "12.125", "100", "0.007", str(random.randint(-999, 9999))))


def _any(random: Random) -> Any:
    """Return a piece of JSON: what a partner's document holds, whole."""
    text = _text(random)
    return random.choice((text, {"a": text, "b": {"c": [text, "1"]}}, [text, {"a": text}], 7, True))


_MADE: Final[dict[str, Callable[[Random], Any]]] = {
    "text": _text,
    "ts": _moment,
    "time": _time,
    "num": _number,
    "int": lambda random: random.randint(0, 9999),
    "any": _any,
    "bool": lambda random: random.random() < 0.5,
    "oid": lambda random: ".".join(str(random.randint(0, 99)) for _ in range(random.randint(2, 6))),
}


_NOTHING: Final = object()
"""Where an event has no such key; null is a value."""


def _at(event: Event, path: Path, otherwise: Any = None) -> Any:
    value: Any = event
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return otherwise
        value = value[key]
    return value


def _put(event: Event, path: Path, value: Any) -> None:
    for key in path[:-1]:
        event = event.setdefault(key, {})
    event[path[-1]] = value


# --------------------------------------------------------------------------- making small


def _smaller(event: Event) -> Iterator[Event]:
    """Yield events with one thing less each: large things first."""
    for path in sorted(_paths(event), key=len):
        made = copy.deepcopy(event)
        _take(made, path)
        yield made
    for path in _paths(event):
        value = _reach(event, path)
        if isinstance(value, str) and len(value) > 1 and not _TYPED.fullmatch(value):
            for part in (value[: len(value) // 2], value[len(value) // 2 :], value[1:], value[:-1]):
                made = copy.deepcopy(event)
                _reach(made, path[:-1])[path[-1]] = part
                yield made


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of everything in a value, from above."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*path, key)
        yield from _paths(each, (*path, key))


def _reach(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _take(event: Event, path: tuple[Any, ...]) -> None:
    """Take out what is at a place, and what is empty without it."""
    del _reach(event, path[:-1])[path[-1]]
    while path := path[:-1]:
        if not _reach(event, path):
            del _reach(event, path[:-1])[path[-1]]
