"""Writes the references between resources: those that slots name, and those by which they are found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.mapping.fhir.bundle import EACH, Instances, Resources
from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.making import drop_absence, is_absence, put_absence, put_json
from engine.mapping.fhir.nodes import ScopePlan
from engine.mapping.fhir.values import json_at
from engine.mapping.rules import FhirPath, Slot
from engine.mapping.v2.cells import ABSENT


def refer_one(slot: Slot, instances: Instances, own: Any, resources: Resources) -> None:
    """Write the references of a new resource, and those that lead to it."""
    mine = instances[slot.name]
    for path, name, _ in slot.refs:
        if name in instances and EACH not in path:
            point(mine, path, resources.refer(instances[name]), resources.required(slot.name, path))
    _link(slot, mine, instances, own, resources)
    for other in resources.slots.values():
        for path, name, _ in other.refs:
            if name == slot.name and other.name in instances and EACH in path:
                needed = resources.required(other.name, path)
                point(instances[other.name], path, resources.refer(mine), needed)


def refer_from(slot: Slot, instances: Instances, before: Instances, resources: Resources) -> None:
    """Write the references to a resource that was there in the lists of resources that are new."""
    for other in resources.slots.values():
        if other.name in instances and other.name not in before:
            for path, name, _ in other.refs:
                if name == slot.name and EACH in path:
                    needed = resources.required(other.name, path)
                    point(instances[other.name], path, resources.refer(instances[name]), needed)


def _link(slot: Slot, mine: dict[str, Any], instances: Instances, own: Any, resources: Resources) -> None:
    if slot.link:
        first = slot.link[0]
        named = isinstance(first, str) and first in resources.slots
        source = instances.get(str(first)) if named else own
        path = slot.link[1:] if named else slot.link
        if isinstance(source, dict):
            point(source, path, resources.refer(mine), resources.required(str(first), path))
    elif slot.link_from and slot.link_to in instances:
        set_reference(mine, slot.link_from, resources.refer(instances[slot.link_to]))


def refer(plan: ScopePlan, own: Any, instances: Instances, new: Sequence[Slot], resources: Resources) -> None:
    """Write references between slots of which one is new."""
    fresh = {slot.name for slot in new}
    for slot in new:
        _link(slot, instances[slot.name], instances, own, resources)
    for slot in resources.slots.values():
        if slot.name not in instances or (slot.name not in fresh and slot not in plan.slots and not fresh):
            continue
        for path, name, _ in slot.refs:
            if name not in instances or not (name in fresh or (EACH not in path and slot.name in fresh)):
                continue
            needed = resources.required(slot.name, path)
            point(instances[slot.name], path, resources.refer(instances[name]), needed)


def point(
    source: dict[str, Any],
    path: FhirPath,
    reference: dict[str, Any] | None,
    required: Sequence[Required] = (),
) -> None:
    """Write a reference; an item of a list that is made for it says of `required` that nothing is known."""
    known = json_at(source, path[:1])
    there = list(known) if required and isinstance(known, list) else []
    if EACH in path:
        append_reference(source, path, reference)
    else:
        set_reference(source, path, reference)
    for item in json_at(source, path[:1]) if required and reference is not None else ():
        if not any(item is one for one in there) and isinstance(item, dict):
            for one in required:
                if not one.there(item):
                    put_absence(item, one)


def set_reference(source: dict[str, Any], path: FhirPath, reference: dict[str, Any] | None) -> None:
    """Write a reference where none is."""
    if reference is None:
        return
    place = json_at(source, path)
    if place is ABSENT:
        put_json(source, path, dict(reference))
    elif isinstance(place, dict) and "reference" not in place:
        if is_absence(place):
            place.clear()
        place.update(reference)


def append_reference(source: dict[str, Any], path: FhirPath, reference: dict[str, Any] | None) -> None:
    """Write a reference as an item of a list that does not have it."""
    if reference is None:
        return
    at = path.index(EACH)
    listed = json_at(source, path[:at])
    if listed is ABSENT:
        listed = []
        put_json(source, path[:at], listed)
    if not isinstance(listed, list):
        return
    drop_absence(listed)
    rest = path[at + 1 :]
    if any(
        isinstance(one, dict) and json_at(one, (*rest, "reference")) == reference["reference"]
        for one in listed
    ):
        return
    made: dict[str, Any] = {}
    if rest:
        put_json(made, rest, dict(reference))
    else:
        made = dict(reference)
    listed.append(made)


def unlink(slot: Slot, gone: dict[str, Any], own: Any, instances: Instances, resources: Resources) -> None:
    """Take the references to a resource out of the lists that name its slot."""
    reference = resources.refer(gone)
    places = [
        (instances.get(other.name), path)
        for other in resources.slots.values()
        for path, name, _ in other.refs
        if name == slot.name
    ]
    if slot.link:
        first = slot.link[0]
        named = isinstance(first, str) and first in resources.slots
        places.append((instances.get(str(first)), slot.link[1:]) if named else (own, slot.link))
    for source, path in places:
        if not isinstance(source, dict) or EACH not in path or reference is None:
            continue
        at = path.index(EACH)
        listed = json_at(source, path[:at])
        if isinstance(listed, list):
            wanted = (*path[at + 1 :], "reference")
            listed[:] = [one for one in listed if json_at(one, wanted) != reference["reference"]]
            if not listed:
                owner = json_at(source, path[: at - 1])
                owner.pop(str(path[at - 1]), None)
