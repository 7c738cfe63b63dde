"""Finds what was written for an item of the event that is gone: its resources go with it."""

from __future__ import annotations

from typing import Any

from engine.mapping.fhir.bundle import Instances, Resources
from engine.mapping.fhir.nodes import Node, ScopePlan
from engine.mapping.fhir.taking import classified
from engine.mapping.fhir.values import Turn


def forget(plan: ScopePlan, own: Any, known: Instances, view: Resources, turn: Turn) -> None:
    """Note the resources of an item's slots, and of the items in it, as gone."""
    if not isinstance(own, dict):
        return
    found = view.instances(plan, own, known)
    turn.gone += [found[slot.name] for slot in plan.slots if slot.name in found]
    for many in plan.resources:
        for one in view.items(many, own, found):
            turn.gone.append(one)
            forget(many.plan, one, {**found, **({many.slot.name: one} if many.slot else {})}, view, turn)
    _forget_below(plan.own, own, found, view, turn)
    for name, node in plan.nodes.items():
        if node is not plan.own and name in found:
            _forget_below(node, found[name], found, view, turn)


def _forget_below(node: Node, here: Any, found: Instances, view: Resources, turn: Turn) -> None:
    """Look for items in the lists of a JSON object."""
    if not isinstance(here, dict):
        return
    for name, inner in node.objects.items():
        _forget_below(inner, here.get(name), found, view, turn)
    for name, listed in node.lists.items():
        items = here.get(name)
        if not isinstance(items, list):
            continue
        for at, inner in listed.indexed.items():
            _forget_below(inner, items[at] if at < len(items) else None, found, view, turn)
        for one, number in zip(items, classified(listed, items), strict=True):
            claim = listed.claims[number] if number >= 0 else None
            if claim is not None and claim.many is not None:
                forget(claim.many.plan, one, found, view, turn)
            elif claim is not None:
                _forget_below(claim.node, one, found, view, turn)
