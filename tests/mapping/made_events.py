"""Events made up from a mapper's own rules, the same for a seed: few leaves each, so that what is wrong is small."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from engine.mapping.fhir.values import holds_now, put_value, value_at
from engine.mapping.rules import Definition, Leaf, Many, Scope, When
from engine.mapping.v2.cells import ABSENT

Event = dict[str, Any]
Found = tuple[tuple[Many, ...], Leaf]
_LETTERS: Final = "abcXYZ019 .,'-/^~&|\\#éÉñ"
_MOST_LEAVES: Final = 8
_MOST_LETTERS: Final = 6
_NULL: Final = 0.25
"""Chance of a leaf to be null, which HL7 says as two quotes."""
_NULL_LIST: Final = 0.1
_CLOCKS: Final = ("", "T09", "T09:30", "T09:30:12.25", "T23:59:59-05:00")
_DAYS: Final = ("0001-01-01", "9999-12-31", "2000-02-29")
_NUMBERS: Final = ("0.00", "-0.01", "1000000.00", "-1000000.00")
_LAST_DAY: Final = datetime.date.max.toordinal()


def leaves_of(scope: Scope, above: tuple[Many, ...] = ()) -> Iterator[Found]:
    """Yield every leaf of a scope and below, with the lists that it lies in."""
    for leaf in scope.leaves:
        if leaf.kind != "any" and _can_be_said(leaf):
            yield above, leaf
    for many in scope.lists:
        yield from leaves_of(many.scope, (*above, many))


def _can_be_said(leaf: Leaf) -> bool:
    """Say whether an event can have it: a closed table without rows leaves it to its default."""
    return leaf.table is None or leaf.table.open or bool(leaf.table.rows)


def events(definition: Definition, seed: int) -> Iterator[Event]:
    """Yield events without end that the rules can say; some say nothing."""
    random = Random(seed)
    known = list(leaves_of(definition.scope))
    while True:
        count = random.randint(1, _MOST_LEAVES)
        yield _event(definition, random.choices(known, k=count), random)


def _event(definition: Definition, chosen: list[Found], random: Random) -> Event:
    event: Event = {}
    for above, leaf in chosen:
        item, scope, null = event, definition.scope, False
        for many in above:
            _allow(random, many.when, item, scope)
            null = many.many and many.place is not None and random.random() < _NULL_LIST
            if null:
                put_value(item, many.path, None)
                break
            item, scope = _item(random, item, many), many.scope
        if not null:
            _allow(random, leaf.when, item, scope)
            put_value(item, leaf.path, value_of(leaf, random))
    _settled(definition.scope, event)
    return event


def _item(random: Random, item: Event, many: Many) -> Event:
    if not many.many:
        found = value_at(item, many.path)
        if not isinstance(found, dict):
            found = {}
            put_value(item, many.path, found)
        return found
    items = value_at(item, many.path)
    if not isinstance(items, list):
        items = []
        put_value(item, many.path, items)
    at = random.randint(0, 1)
    while len(items) <= at:
        items.append({})
    chosen: Event = items[at]
    return chosen


def _allow(random: Random, when: When | None, item: Event, scope: Scope) -> None:
    """Give the leaves that a condition reads a value for which it holds."""
    for path, codes in when.tests if when is not None else ():
        wanted = sorted(code for code in codes if code is not None and code != "present")
        leaf = next((leaf for leaf in scope.leaves if leaf.path == path), None)
        if "present" in codes and leaf is not None:
            while value_at(item, path) in (ABSENT, None):
                put_value(item, path, value_of(leaf, random))
        elif wanted and value_at(item, path) not in wanted:
            put_value(item, path, random.choice(wanted))


def value_of(leaf: Leaf, random: Random) -> Any:
    """Return something that a leaf can say; what stands for no value it cannot."""
    if random.random() < _NULL and leaf.path != ("",) and not leaf.present:
        return None  # an item, or a choice among elements, is there or is not
    rows = leaf.table.rows if leaf.table is not None else {}
    shunned = {default.text for default in leaf.default.values()}
    shunned |= {code for code, row in rows.items() for codes in row.values() if codes[0] in shunned}
    while (value := _plain(leaf, random)) in shunned:
        if rows and rows.keys() <= shunned:
            return None
    return value


def _plain(leaf: Leaf, random: Random) -> Any:
    if leaf.table is not None and leaf.table.rows:
        return random.choice(sorted(leaf.table.rows))
    return _MADE.get(leaf.kind, _text)(random)


def _text(random: Random) -> str:
    return "".join(random.choices(_LETTERS, k=random.randint(1, _MOST_LETTERS)))


def _moment(random: Random) -> str:
    if random.random() < _NULL_LIST:
        return random.choice(_DAYS) + random.choice(_CLOCKS)
    return datetime.date.fromordinal(random.randint(1, _LAST_DAY)).isoformat() + random.choice(_CLOCKS)


def _number(random: Random) -> str:
    if random.random() < _NULL_LIST:
        return random.choice(_NUMBERS)
    cents = random.randint(-(10**8), 10**8)
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


_MADE: Final[dict[str, Callable[[Random], Any]]] = {
    "ts": _moment,
    "time": lambda random: random.choice(("09", "09:30", "23:59:59")),
    "num": _number,
    "int": lambda random: random.choice((0, 1, 10**6, random.randint(0, 10**6))),
    "bool": lambda random: random.random() < _NULL + _NULL,
}


def _settled(scope: Scope, item: Event) -> None:
    """Take out what conditions forbid and what holds nothing."""
    for many in scope.lists:
        if many.path[0] not in item:
            continue
        found = value_at(item, many.path)
        if isinstance(found, list) and many.plain:
            kept = [one[""] for one in found if one.get("") is not None]
            _keep(item, many.path, kept)
        elif isinstance(found, list):
            for one in found:
                _settled(many.scope, one)
            _keep(item, many.path, [one for one in found if one])
        elif isinstance(found, dict):
            _settled(many.scope, found)
            _keep(item, many.path, found)
    rules: list[Leaf | Many] = [*scope.lists, *scope.leaves]
    for one in rules:
        if one.when is None or one.path[0] not in item:
            continue
        if value_at(item, one.path) is not ABSENT and not _allowed(scope, one.path, item):
            _keep(item, one.path, None)


def _allowed(scope: Scope, path: tuple[str, ...], item: Event) -> bool:
    rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
    return any(holds_now(one.when, item) for one in rules if one.path == path)


def _keep(item: Event, path: tuple[str, ...], value: Any) -> None:
    """Set what is not empty, else take it out with the objects that only held it."""
    if value:
        put_value(item, path, value)
        return
    owners = [item]
    for key in path[:-1]:
        owners.append(owners[-1][key])
    for owner, key in zip(reversed(owners), reversed(path), strict=True):
        if not owner.get(key) or key == path[-1]:
            owner.pop(key, None)
        if owner:
            break
