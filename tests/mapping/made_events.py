"""Events made up from a mapper's own rules: a few leaves each, so that a counterexample is small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from engine.mapping.fhir.values import holds_now, put_value, value_at
from engine.mapping.rules import Definition, Leaf, Many, Scope, When
from engine.mapping.v2.cells import ABSENT

Event = dict[str, Any]
Step = tuple[Many, int]
_LETTERS = "abcXYZ019 .,'-/^~&|\\#éÉñ"
_MOST_LEAVES = 8


def leaves_of(scope: Scope, above: tuple[Many, ...] = ()) -> Iterator[tuple[tuple[Many, ...], Leaf]]:
    """Yield every leaf of a scope and below, with the lists that it lies in."""
    for leaf in scope.leaves:
        if leaf.kind != "any" and _can_be_said(leaf):
            yield above, leaf
    for many in scope.lists:
        yield from leaves_of(many.scope, (*above, many))


def _can_be_said(leaf: Leaf) -> bool:
    """Say whether an event can have it: a closed table without rows leaves it to its default."""
    return leaf.table is None or leaf.table.open or bool(leaf.table.rows)


class _Once:
    """What is worked out once for each object, by its identity: it is kept with it."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def of(self, owner: Any, make: Callable[[], Any]) -> Any:
        found = self._known.get(id(owner))
        if found is None:
            found = self._known[id(owner)] = (owner, make())
        return found[1]


_DRAWN = _Once()
_VALUES = _Once()


def _leaves_drawn(definition: Definition) -> st.SearchStrategy[Any]:
    """Return the strategy for a few leaves of a mapper, each with the lists that it lies in."""

    def make() -> st.SearchStrategy[Any]:
        known = list(leaves_of(definition.scope))
        return st.lists(st.sampled_from(range(len(known))), min_size=1, max_size=_MOST_LEAVES).map(
            lambda chosen: [known[at] for at in chosen]
        )

    found: st.SearchStrategy[Any] = _DRAWN.of(definition, make)
    return found


@st.composite
def events(draw: st.DrawFn, definition: Definition) -> Event:
    """Draw an event that the rules can say."""
    chosen = _leaves_drawn(definition)
    event: Event = {}
    for above, leaf in draw(chosen):
        item = event
        null = False
        for many in above:
            _allow(draw, many.when, item, _scope_of(definition, above, many))
            null = many.many and many.place is not None and draw(st.integers(0, 9)) == 0
            if null:
                put_value(item, many.path, None)
                break
            item = _item(draw, item, many)
        if not null:
            _allow(draw, leaf.when, item, above[-1].scope if above else definition.scope)
            put_value(item, leaf.path, draw(values(leaf)))
    _settled(definition.scope, event)
    return event


def _scope_of(definition: Definition, above: tuple[Many, ...], many: Many) -> Scope:
    at = above.index(many)
    return above[at - 1].scope if at else definition.scope


def _item(draw: st.DrawFn, item: Event, many: Many) -> Event:
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
    at = draw(st.integers(0, 1))
    while len(items) <= at:
        items.append({})
    chosen: Event = items[at]
    return chosen


def _allow(draw: st.DrawFn, when: When | None, item: Event, scope: Scope) -> None:
    """Give the leaves that a condition reads a value for which it holds."""
    for path, codes in when.tests if when is not None else ():
        wanted = sorted(code for code in codes if code is not None and code != "present")
        leaf = next((leaf for leaf in scope.leaves if leaf.path == path), None)
        if "present" in codes and leaf is not None:
            if value_at(item, path) is ABSENT:
                put_value(item, path, draw(values(leaf).filter(lambda value: value is not None)))
        elif wanted and value_at(item, path) not in wanted:
            put_value(item, path, draw(st.sampled_from(wanted)))


def values(leaf: Leaf) -> st.SearchStrategy[Any]:
    """Return what a leaf can say."""
    found: st.SearchStrategy[Any] = _VALUES.of(leaf, lambda: _values(leaf))
    return found


def _values(leaf: Leaf) -> st.SearchStrategy[Any]:
    plain = _plain(leaf)
    shunned = {default.text for default in leaf.default.values()}
    rows = leaf.table.rows if leaf.table is not None else {}
    shunned |= {code for code, row in rows.items() for codes in row.values() if codes[0] in shunned}
    plain = plain.filter(lambda value: value not in shunned)
    if leaf.path == ("",) or leaf.present:  # an item, or a choice among elements, is there or is not
        return plain
    return st.one_of(plain, plain, plain, st.none())


def _plain(leaf: Leaf) -> st.SearchStrategy[Any]:
    if leaf.table is not None:
        return st.sampled_from(sorted(leaf.table.rows))
    if leaf.kind == "ts":
        return st.builds(
            _moment, st.dates(), st.sampled_from(["", "T09", "T09:30", "T09:30:12.25", "T23:59:59-05:00"])
        )
    return {
        "time": st.sampled_from(["09", "09:30", "23:59:59"]),
        "num": st.decimals(-(10**6), 10**6, places=2).map(lambda value: format(value, "f")),
        "int": st.integers(0, 10**6),
        "bool": st.booleans(),
    }.get(leaf.kind, st.text(_LETTERS, min_size=1, max_size=6))


def _moment(day: Any, clock: str) -> str:
    return f"{day.isoformat()}{clock}"


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
