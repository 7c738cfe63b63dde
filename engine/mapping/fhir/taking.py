"""Reads FHIR (or other JSON) into an event: walks the plan over resources and leaves holes where it read."""

from __future__ import annotations

from typing import Any, Final

from engine.mapping.fhir.bundle import Resources
from engine.mapping.fhir.leaves import NO_RAW
from engine.mapping.fhir.nodes import Cell, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir.values import (
    MARK,
    HoleTaken,
    Turn,
    holds_now,
    meets,
    offset_of,
    put_value,
    read,
    take_cell,
    value_at,
)
from engine.mapping.leaves import MISS
from engine.mapping.rules import Leaf
from engine.mapping.v2.cells import ABSENT, same

NULL_CODE: Final = "null"
"""What the extension of a choice says of one that is null."""
Instances = dict[str, dict[str, Any]]


def take_scope(
    plan: ScopePlan,
    own: dict[str, Any] | None,
    known: Instances,
    item: dict[str, Any],
    resources: Resources,
    turn: Turn,
) -> None:
    """Read one event object from its place `own` and from the resources of its slots."""
    instances = resources.instances(plan, own, known)
    for depth in range(plan.passes):
        if own is not None:
            take_node(plan.own, own, item, instances, depth, resources, turn)
        for name, node in plan.nodes.items():
            if name in instances and node is not plan.own:
                take_node(node, instances[name], item, instances, depth, resources, turn)
        for many in plan.resources:
            if many.depth == depth and holds_now(many.when, item):
                _take_resources(many, own, instances, item, resources, turn)


def _take_resources(
    many: ManyPlan, own: Any, instances: Instances, item: dict[str, Any], resources: Resources, turn: Turn
) -> None:
    found = []
    for resource in resources.items(many, own, instances):
        inner: dict[str, Any] = {}
        around = {**instances, many.slot.name: resource} if many.slot else instances
        take_scope(many.plan, resource, around, inner, resources, turn)
        if inner:
            found.append(inner)
    if found:
        put_value(item, many.path, found)


def take_node(
    node: Node,
    here: Any,
    item: dict[str, Any],
    instances: Instances,
    depth: int,
    resources: Resources,
    turn: Turn,
) -> None:
    """Read the leaves of one JSON object that are due in this pass."""
    if not isinstance(here, dict):
        return
    _take_leaves(node, here, item, depth, turn)
    for name, inner in node.objects.items():
        if name in here:
            take_node(inner, here[name], item, instances, depth, resources, turn)
    for name, listed in node.listed():
        if isinstance(here.get(name), list):
            _take_list(listed, here[name], item, instances, depth, resources, turn)
    for name, many in node.plains.items():
        if many.depth == depth and holds_now(many.when, item) and isinstance(here.get(name), list):
            take_plain(many, here, name, item, turn)


def _take_leaves(node: Node, here: dict[str, Any], item: dict[str, Any], depth: int, turn: Turn) -> None:
    for one in node.presences:
        if one.depth == depth and holds_now(one.when, item):
            said = said_presence(one.leaf, here) or inferred(one.leaf, here)
            if said is not None:
                put_value(item, one.path, None if said == NULL_CODE else said)
    for cell in node.cells:
        if cell.depth == depth and holds_now(cell.when, item):
            take_cell(cell, here, item, turn)
    for name, cells in node.primitives.items():
        for at, cell in cells.items():
            if cell.depth == depth and holds_now(cell.when, item):
                take_primitive(cell, here, name, at, item, turn)


def _take_list(
    listed: Listed,
    here: list[Any],
    item: dict[str, Any],
    instances: Instances,
    depth: int,
    resources: Resources,
    turn: Turn,
) -> None:
    for at, node in listed.indexed.items():
        if at < len(here):
            take_node(node, here[at], item, instances, depth, resources, turn)
    if not listed.claims:
        return
    classes = classified(listed, here)
    for number, claim in enumerate(listed.claims):
        mine = [one for one, known in zip(here, classes, strict=True) if known == number]
        if claim.many is None:
            if mine:
                take_node(claim.node, mine[0], item, instances, depth, resources, turn)
        elif claim.many.depth == depth and holds_now(claim.many.when, item):
            found = []
            for one in mine:
                inner: dict[str, Any] = {}
                take_scope(claim.many.plan, one, instances, inner, resources, turn)
                if inner:
                    found.append(inner)
            if found:
                put_value(item, claim.many.path, found)


def classified(listed: Listed, here: list[Any]) -> list[int]:
    """Return for each item of a list the number of the claim that has it, -1 for none."""
    return [class_of(listed, one) for one in here]


def class_of(listed: Listed, one: Any) -> int:
    """Return which claim has an item: the one that its mark names, else the first whose selector it meets."""
    if not isinstance(one, dict):
        return -1
    extensions = one.get("extension")
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("url") == MARK:
            marks = [
                number
                for number, claim in enumerate(listed.claims)
                if claim.mark == extension.get("valueCode")
            ]
            if marks:
                return marks[0]
    for number, claim in enumerate(listed.claims):
        if claim.selector is None or meets(one, claim.selector):
            return number
    return -1


def take_primitive(
    cell: Cell, here: dict[str, Any], name: str, at: int, item: dict[str, Any], turn: Turn
) -> None:
    """Read one item of a list of primitives."""
    raw, sibling = primitive_at(here, name, at)
    if isinstance(raw, str) and raw == turn.hole:
        if turn.probe:
            put_value(item, cell.path, turn.hole)
        elif raw is not turn.hole:
            raise HoleTaken
        return
    value, extension = read(cell, raw, sibling, "")
    if value is MISS:
        return
    if value_at(item, cell.path) is ABSENT:
        put_value(item, cell.path, value)
    if turn.probe:
        return
    plain = (
        extension is None
        and not cell.pinned
        and raw is not NO_RAW
        and same(cell.kind.write(value, offset_of(cell, value, turn.zone)), raw)
    )
    if plain or (turn.force and raw is not NO_RAW):
        here[name][at] = turn.hole


def primitive_at(here: dict[str, Any], name: str, at: int) -> tuple[Any, Any]:
    """Return an item of a list of primitives, NO_RAW for null or none, and what stands beside it."""
    values, siblings = here.get(name), here.get(f"_{name}")
    raw = values[at] if isinstance(values, list) and at < len(values) else None
    sibling = siblings[at] if isinstance(siblings, list) and at < len(siblings) else None
    return NO_RAW if raw is None else raw, sibling


def take_plain(many: ManyPlan, here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn) -> None:
    """Read a list of primitives that is a list of values."""
    cell = many.plan.own.cells[0]
    found = []
    for at in range(len(here[name])):
        inner: dict[str, Any] = {}
        take_primitive(cell, here, name, at, inner, turn)
        if inner:
            found.append(inner[""])
    if found:
        put_value(item, many.path, found)


def presence_url(leaf: Leaf) -> str:
    """Return the extension that says a choice which the elements do not."""
    return f"urn:passerelle:fhir:{leaf.path[-1]}"


def said_presence(leaf: Leaf, here: dict[str, Any]) -> str | None:
    """Return the code that an extension says."""
    extensions = here.get("extension")
    for one in extensions if isinstance(extensions, list) else ():
        if (
            isinstance(one, dict)
            and one.get("url") == presence_url(leaf)
            and isinstance(one.get("valueCode"), str)
        ):
            code: str = one["valueCode"]
            return code
    return None


def inferred(leaf: Leaf, here: dict[str, Any]) -> str | None:
    """Return the first code one of whose elements is there."""
    for code, names in leaf.present.items():
        if any(name in here or f"_{name}" in here for name in names):
            return code
    return None
