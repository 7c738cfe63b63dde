"""What reading and writing a message share when their functions are generated: fields, objects, conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from engine.mapping.leaves import V2Leaf
from engine.mapping.rules import PRESENT_CODE, Leaf, Many, Path, Scope, V2Place, When
from engine.mapping.v2.structure import Context
from engine.mapping.writing_code import Code


def is_late(leaf: Leaf) -> bool:
    """Say whether a leaf has alternates, which are read when all segments are cut."""
    return len(leaf.v2) + len(leaf.v2_also) > 1


def where_of(place: V2Place, when: When | None) -> tuple[Any, ...]:
    """Return the block that reads a place: segment, field, condition."""
    return (place.segment, place.field, when)


def conditions(leaves: Sequence[Leaf | Many]) -> list[When | None]:
    """Return the conditions of rules, those that others may depend on first."""
    return sorted(dict.fromkeys(leaf.when for leaf in leaves), key=weight)


def weight(when: When | None) -> int:
    """Return how many tests a condition has."""
    return len(when.tests) if when is not None else 0


def asked_paths(scope: Scope) -> set[Path]:
    """Return the leaves that conditions read."""
    rules: list[Leaf | Many] = [*scope.leaves, *scope.lists]
    return {path for one in rules if one.when is not None for path, _ in one.when.tests}


Field = tuple[int, When | None, list[Leaf], Many | None]


def fields_of(scope: Scope) -> dict[str, list[Field]]:
    """Return segment -> what is read in each of its fields, under each condition, in the order of fields."""
    found: dict[str, dict[tuple[Any, ...], Field]] = {}
    for leaf in scope.leaves:
        if leaf.v2 and not is_late(leaf):
            place = leaf.v2[0]
            slot = found.setdefault(place.segment, {})
            slot.setdefault((place.index, leaf.when), (place.index, leaf.when, [], None))[2].append(leaf)
    for many in scope.lists:
        if many.place is not None and len(many.places) < 2:
            slot = found.setdefault(many.place.segment, {})
            slot[(many.place.index, many.when, many.path)] = (many.place.index, many.when, [], many)
    return {
        segment: sorted(fields.values(), key=lambda one: (weight(one[1]), one[0]))
        for segment, fields in found.items()
    }


def by_segment(fields: dict[str, list[Field]], scope: Scope) -> dict[str, list[Field]]:
    """Order the segments so that what a condition reads is read before it."""
    asked = asked_paths(scope)
    first = {leaf.v2[0].segment for leaf in scope.leaves if leaf.path in asked and leaf.v2}
    return {segment: fields[segment] for segment in sorted(fields, key=lambda name: name not in first)}


def by_component(leaves: Sequence[Leaf]) -> dict[int, list[Leaf]]:
    """Return component -> its leaves, in order."""
    found: dict[int, list[Leaf]] = {}
    for leaf in sorted(leaves, key=lambda one: (one.v2[0].component, one.v2[0].subcomponent)):
        found.setdefault(leaf.v2[0].component, []).append(leaf)
    return found


def mask_of(leaves: Sequence[Leaf]) -> int:
    """Return the components that rules own, as bits."""
    return sum({1 << leaf.v2[0].component - 1 for leaf in leaves})


class Objects:
    """The objects of a scope: which block makes each, and what it is called there."""

    def __init__(self, code: Code, top: str, levels: Sequence[int]) -> None:
        self._code = code
        self._levels = levels
        self._homes: dict[Path, set[tuple[Any, ...]]] = {}
        self._at: dict[tuple[Any, ...], list[Path]] = {}
        self.names: dict[Path, str] = {(): top}

    def used(self, path: Path, where: tuple[Any, ...]) -> None:
        """Note that a block sets a leaf at `path`."""
        for length in range(1, len(path)):
            self._homes.setdefault(path[:length], set()).add(where)

    def at_home(self, where: tuple[Any, ...]) -> list[Path]:
        """Return the objects that the block `where` makes, outer ones first: all their leaves are below it."""
        if not self._at:
            for path in sorted(self._homes, key=len):
                self._at.setdefault(self._home(self._homes[path]), []).append(path)
        return self._at.get(where, [])

    def _home(self, blocks: set[tuple[Any, ...]]) -> tuple[Any, ...]:
        depth = 0
        while all(len(block) > depth for block in blocks) and len({block[depth] for block in blocks}) < 2:
            depth += 1
        return next(iter(blocks))[: max(level for level in self._levels if level <= depth)]

    def declare(self, path: Path) -> str:
        self.names[path] = self._code.fresh("o")
        return self.names[path]

    def of(self, leaf: Path) -> str:
        return self.names[leaf[:-1]]


class V2Emitting:
    """What both directions share: objects, conditions."""

    def __init__(self, code: Code, levels: Sequence[int], kinds: Callable[[Leaf], V2Leaf]) -> None:
        self.code = code
        self.kinds = kinds
        self.objects = Objects(code, "x", levels)

    def uses(self, one: Leaf | Many, where: tuple[Any, ...]) -> None:
        """Note what a rule sets, and what its condition reads."""
        self.objects.used(one.path, where)
        for path, _ in one.when.tests if one.when is not None else ():
            self.objects.used(path, where)

    def kind(self, leaf: Leaf) -> str:
        """Return the name of a leaf's functions."""
        return self.code.constant(self.kinds(leaf))

    def value(self, path: Path) -> str:
        """Return the expression that reads an event leaf, `A` where it is absent."""
        return f"{self.objects.of(path)}.get({path[-1]!r}, A)"

    def open(self, where: tuple[Any, ...]) -> None:
        raise NotImplementedError

    def close(self, where: tuple[Any, ...]) -> None:
        raise NotImplementedError

    def segment(self, name: str, fields: list[Field], repetitions: dict[int, str]) -> None:
        raise NotImplementedError

    def late(self, one: Leaf | Many, context: Context) -> None:
        raise NotImplementedError

    def components(
        self, leaves: list[Leaf], where: tuple[Any, ...], cells: str, at: str, *, opened: bool = False
    ) -> None:
        raise NotImplementedError

    def together(self, leaves: list[Leaf]) -> None:
        raise NotImplementedError

    def somewhere(self, many: Many, pair: str) -> None:
        raise NotImplementedError

    def sweep(self, blocks: list[tuple[When | None, int]], cells: str, at: str) -> None:
        return

    def cells(self, leaf: Leaf) -> None:
        raise NotImplementedError

    def alternates(self, leaf: Leaf) -> None:
        raise NotImplementedError

    def guard(self, one: Leaf | Many) -> AbstractContextManager[None]:
        """Put what is emitted meanwhile under the condition of a rule."""
        return self.under(one.when)

    def under(self, when: When | None) -> AbstractContextManager[None]:
        """Put what is emitted meanwhile under a condition, where there is one."""
        return nullcontext() if when is None else self.code.block(f"if {self.test(when)}:")

    def test(self, when: When) -> str:
        """Return the expression of a condition."""
        tests = []
        for path, values in when.tests:
            value = f"{self.objects.of(path)}.get({path[-1]!r})"
            some = PRESENT_CODE in values
            tests.append(f"{value} is not None" if some else f"{value} in {self.code.constant(values)}")
        return " and ".join(tests)
