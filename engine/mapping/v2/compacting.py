"""Objects of the event that one field holds, so that all fields of one shape share the functions that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.mapping.rules import Leaf, Many, Path, Scope, V2Place, When


def compacted(scope: Scope) -> Scope:
    """Return a scope in which leaves that are all of one object's, in one field, are that object."""
    fields: dict[tuple[str, int], list[Leaf]] = {}
    for leaf in scope.leaves:
        if len(leaf.v2) == 1 and not leaf.v2_also:
            fields.setdefault((leaf.v2[0].segment, leaf.v2[0].field), []).append(leaf)
    owners = _Owners(scope)
    found: list[Many] = []
    gone: set[int] = set()
    for leaves in fields.values():
        for chosen in _choices(leaves):
            if not gone & set(map(id, chosen)) and (one := _object(chosen, owners)) is not None:
                found.append(one)
                gone.update(map(id, chosen))
    for leaves in _together(scope):
        one = _object(leaves, owners)
        if one is not None:
            found.append(one)
            gone.update(map(id, leaves))
    kept = [leaf for leaf in scope.leaves if id(leaf) not in gone]
    return Scope(kept, [*scope.lists, *found], scope.constants, scope.v2_constants)


def _choices(leaves: list[Leaf]) -> list[list[Leaf]]:
    """Return what may be one object: the whole field, else what stands in it under one condition."""
    whens = dict.fromkeys(leaf.when for leaf in leaves)
    return [leaves, *([leaf for leaf in leaves if leaf.when == when] for when in whens)]


def _together(scope: Scope) -> list[list[Leaf]]:
    """Return the leaves of each object that may stand in several whole fields."""
    groups: dict[tuple[V2Place, ...], list[Leaf]] = {}
    for leaf in scope.leaves:
        if leaf.together:
            groups.setdefault(leaf.together, []).append(leaf)
    return [
        leaves for leaves in groups.values()
        if all(_same_part(leaf) for leaf in leaves) and len({leaf.when for leaf in leaves}) == 1
    ]  # fmt: skip


def _same_part(leaf: Leaf) -> bool:
    parts = {(place.component, place.subcomponent) for place in leaf.v2}
    return len(parts) == 1 and not leaf.v2_also


class _Owners:
    """Which rules set something below an event path, and which paths conditions read."""

    def __init__(self, scope: Scope) -> None:
        self._below: dict[Path, set[int]] = {}
        self._asked: dict[Path, set[int]] = {}
        rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
        for one in rules:
            for length in range(1, len(one.path) + 1):
                self._below.setdefault(one.path[:length], set()).add(id(one))
            for path, _ in one.when.tests if one.when is not None else ():
                for length in range(1, len(path) + 1):
                    self._asked.setdefault(path[:length], set()).add(id(one))

    def exclusive(self, path: Path, leaves: Sequence[Leaf]) -> bool:
        """Say whether only these leaves set or ask anything below a path."""
        mine = set(map(id, leaves))
        return self._below.get(path, set()) <= mine and self._asked.get(path, set()) <= mine


def _object(leaves: list[Leaf], owners: _Owners) -> Many | None:
    if len(leaves) < 2 or any(leaf.fresh or "v2" in leaf.default for leaf in leaves):
        return None
    path = _common([leaf.path[:-1] for leaf in leaves])
    if not path or not owners.exclusive(path, leaves):
        return None
    outer = {_split(leaf.when, path)[0] for leaf in leaves}
    if len(outer) > 1:
        return None
    (around,) = outer
    inner = [
        replace(
            leaf,
            path=leaf.path[len(path) :],
            v2=(replace(leaf.v2[0], segment="", field=0),),
            when=_split(leaf.when, path)[1],
            together=(),
        )
        for leaf in leaves
    ]
    first = leaves[0]
    made = Many(
        path,
        False,
        Scope(inner),
        first.mark,
        place=V2Place(first.v2[0].segment, first.v2[0].field),
        when=around,
    )
    made.places = tuple(V2Place(place.segment, place.field) for place in first.v2)
    return made


def _common(paths: Sequence[Path]) -> Path:
    first = paths[0]
    length = min(map(len, paths))
    while length and any(path[:length] != first[:length] for path in paths):
        length -= 1
    return first[:length]


def _split(when: When | None, path: Path) -> tuple[When | None, When | None]:
    """Return the tests of a condition that are not on the object, and those that are, relative to it."""
    if when is None:
        return None, None
    outside = tuple(test for test in when.tests if test[0][: len(path)] != path)
    inside = tuple((asked[len(path) :], values) for asked, values in when.tests if asked[: len(path)] == path)
    return (When(outside) if outside else None), (When(inside) if inside else None)
