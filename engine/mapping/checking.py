"""What a mapper says against itself: two rules on one leaf, overlaps, conditions without a leaf, lacking codes."""

from __future__ import annotations

from typing import Any

from engine.mapping.faults import Faults
from engine.mapping.rules import PRESENT_CODE, Definition, Leaf, Many, Path, Scope, V2Place, When
from engine.mapping.tables import check_columns


def check_definition(definition: Definition, faults: Faults) -> None:
    """Tell everything that can be seen without a message."""
    _scope(definition.scope, None, faults)


def _scope(scope: Scope, many: Many | None, faults: Faults) -> None:
    _event_paths(scope, faults)
    _conditions(scope, faults)
    _v2_places(scope, many, faults)
    for leaf in scope.leaves:
        for side in ("v2", "fhir", "json"):
            if leaf.table is not None and not leaf.table.open and getattr(leaf, side):
                check_columns(leaf.table, side, leaf.mark, faults)
    for inner in scope.lists:
        if many is not None and many.place is not None and (inner.place is not None or inner.anchors):
            faults.add(inner.mark, f"{inner.full}: a repetition holds no repetitions and no segments")
        _scope(inner.scope, inner, faults)


def _event_paths(scope: Scope, faults: Faults) -> None:
    rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
    known: dict[Path, list[When | None]] = {}
    for one in rules:
        for when in known.get(one.path, ()):
            if not (one.when and one.when.excludes(when)):
                faults.add(_at(one), f"two rules for the event's {'.'.join(one.path)}")
        known.setdefault(one.path, []).append(one.when)
    for one in rules:
        for length in range(1, len(one.path)):
            if one.path[:length] in known:
                above = ".".join(one.path[:length])
                faults.add(
                    _at(one), f"{above} is a value or a list, so {'.'.join(one.path)} cannot lie in it"
                )


def _conditions(scope: Scope, faults: Faults) -> None:
    leaves = {leaf.path: leaf for leaf in scope.leaves}
    rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
    for one in rules:
        if one.when is None:
            continue
        for path, values in one.when.tests:
            asked = leaves.get(path)
            if asked is None:
                faults.add(_at(one, "when"), f"when: there is no leaf {'.'.join(path)} beside this rule")
            elif asked.when is not None and not set(asked.when.tests) <= set(one.when.tests):
                faults.add(
                    _at(one, "when"), f"when: {'.'.join(path)} has conditions itself: name them here, too"
                )
            elif (
                asked.table is not None
                and not asked.table.open
                and values - {None, PRESENT_CODE, *asked.table.rows}
            ):
                unknown = ", ".join(sorted(map(str, values - {None, PRESENT_CODE, *asked.table.rows})))
                faults.add(_at(one, "when"), f"when: table {asked.table.name} has no {unknown}")


def _v2_places(scope: Scope, many: Many | None, faults: Faults) -> None:
    repeated = many is not None and many.place is not None
    inner = {name for one in scope.lists for name in one.anchors}
    seen: dict[V2Place, list[Leaf]] = {}
    for leaf in scope.leaves:
        for place in (*leaf.v2, *leaf.v2_also):
            if repeated and place.segment:
                faults.add(_at(leaf, "v2"), f"{place}: inside a repetition a path begins with a dot")
            if place.segment in inner:
                faults.add(
                    _at(leaf, "v2"),
                    f"{place.segment} is a group here: write this rule among the rules of that group",
                )
            for other in seen.get(place, []):
                if not (leaf.when and leaf.when.excludes(other.when)):
                    faults.add(_at(leaf, "v2"), f"two rules on {place}: {_name(other)} and {_name(leaf)}")
            seen.setdefault(place, []).append(leaf)
    _repetitions(scope, seen, faults)
    if many is not None and many.number is not None and many.number in seen:
        faults.add(many.mark, f"two rules on {many.number}: number and {_name(seen[many.number][0])}")


def _repetitions(scope: Scope, seen: dict[V2Place, list[Leaf]], faults: Faults) -> None:
    fields: dict[tuple[str, int], list[Many]] = {}
    for one in scope.lists:
        if one.place is None:
            continue
        at = (one.place.segment, one.place.field)
        for other in fields.get(at, []):
            if not (one.when and one.when.excludes(other.when)):
                faults.add(
                    _at(one, "v2"),
                    f"two rules on the repetitions of {at[0]}-{at[1]}: {other.full} and {one.full}",
                )
        fields.setdefault(at, []).append(one)
        for place, leaves in seen.items():
            for leaf in leaves:
                if (place.segment, place.field) == at and not (one.when and one.when.excludes(leaf.when)):
                    faults.add(_at(leaf, "v2"), f"{place} lies in the repetitions that {one.full} has")


def _name(leaf: Leaf) -> str:
    return ".".join(leaf.path) or "its items"


def _at(one: Leaf | Many, key: str = "event") -> Any:
    """Return the place of a rule's key, else of the rule."""
    node = one.mark
    if isinstance(node, dict) and key in node and isinstance(node[key], str):
        return node[key]
    return node
