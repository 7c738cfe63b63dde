"""Checks a step that maps two ways: the mapper reads what the document is there, and a strict one loses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.config.mapped import Said
from engine.config.nodes import Location, MapNode, Node, find, locate
from engine.config.uses import Use
from engine.errors import NotFound, Problem
from engine.mapping.rules import Scope
from engine.mapping.two_way import TwoWayMapper
from engine.spi import TwoWay
from engine.steps.two_way import sides_of

_NAMED = 5
"""Leaves that a warning names."""
_YES = frozenset({"true", "yes", "on", "1"})


def check_mapping(use: Use, tree: Node, codec: str, mapper: TwoWay, problems: list[Problem]) -> None:
    """Check the step around the name of a two-way mapper; `codec` is that of the document there."""
    at: Location = use.location[: use.location.index("map") + 1]
    node = find(tree, at)
    said = Said.written(node) if node is not None else Said(use.text)
    if mapper.name != use.text:
        told = f'the file of the mapper "{use.text}" says `mapper: {mapper.name}`'
        problems.append(locate(tree, at).problem(told, help="let both say the same"))
    try:
        source, target = sides_of(mapper, codec, said.source, said.target)
    except NotFound as error:
        problems.append(locate(tree, at).problem(str(error)))
        return
    strict = str(node.get("strict", "")) in _YES if isinstance(node, MapNode) else False
    if strict and isinstance(mapper, TwoWayMapper):
        mark = locate(tree, (*at, "strict"))
        problems.extend(mark.problem(told, severity="warning") for told in _lost(mapper, source, target))


def _lost(mapper: TwoWayMapper, source: str, target: str) -> Iterator[str]:
    """Say what a strict route loses all the same, because the mapper says so itself."""
    dropped = [f"{path} ({reason})" for path, reason in mapper.definition.drop]
    if dropped:
        yield f"the mapper drops {_listed(dropped)}"
    nowhere = [
        path
        for path, sides in leaves_of(mapper.definition.scope)
        if target != "event" and source in (*sides, "event") and target not in sides
    ]
    if nowhere:
        yield f"the mapper has no place in {target} for {_listed(nowhere)}"


def leaves_of(scope: Scope, before: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Give the path of every leaf of an event with the sides that it has a place in."""
    for leaf in scope.leaves:
        sides = {side for side in ("v2", "fhir", "json") if getattr(leaf, side)}
        yield before + ".".join(leaf.path), frozenset(sides)
    for many in scope.lists:
        mark = "[]" if many.many else ""
        yield from leaves_of(many.scope, f"{before}{'.'.join(many.path)}{mark}.")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
