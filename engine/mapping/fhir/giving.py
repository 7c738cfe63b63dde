"""Writes an event into FHIR (or other JSON): walks the plan, makes what lacks, leaves what no rule has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from engine.mapping.fhir.bundle import Instances, Resources
from engine.mapping.fhir.forgetting import forget
from engine.mapping.fhir.making import FILLER, complete, is_absence, put_absence, put_json
from engine.mapping.fhir.nodes import BUNDLE, Claim, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir.primitives import give_plain, give_presence, give_primitives
from engine.mapping.fhir.referring import refer, refer_from, refer_one, unlink
from engine.mapping.fhir.taking import class_of, classified, take_scope
from engine.mapping.fhir.values import MARK, Turn, give_cell, holds_now, items_of, value_at
from engine.mapping.leaves import BadValue
from engine.mapping.rules import Slot
from engine.mapping.v2.cells import ABSENT, key_of, paired


def give_scope(
    plan: ScopePlan,
    own: dict[str, Any] | None,
    known: Instances,
    item: dict[str, Any],
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write one event object; True where its own place has a value."""
    if turn.made:
        instances = dict(known)
    else:
        view = resources.view()
        instances = resources.instances(plan, own, known)
        turn = _probing(plan, own, known, view, turn)
    if BUNDLE in plan.nodes and resources.is_bundle:
        instances[BUNDLE] = resources.document
    before = dict(instances)
    new = _make_slots(plan, instances, item, resources, turn)
    written = own is not None and give_node(plan.own, own, item, instances, resources, turn)
    for name, node in plan.nodes.items():
        if name in instances and node is not plan.own:
            written = give_node(node, instances[name], item, instances, resources, turn) or written
    for slot in new:
        complete(plan.nodes[slot.name], instances[slot.name], item, turn)
    for many in plan.resources:
        written = _give_resources(many, own, before, instances, item, resources, turn) or written
    refer(plan, own, instances, new, resources)
    return written


def _probing(plan: ScopePlan, own: Any, known: Instances, view: Resources, turn: Turn) -> Turn:
    """Note which of several places of a leaf carried it: of this event object only."""
    if not _has_alternates(plan):
        return turn
    probe = Turn(turn.data, turn.zone, turn.hole, probe=True)
    take_scope(plan, own, known, {}, view, probe)
    return replace(turn, carriers=probe.carriers)


def _has_alternates(plan: ScopePlan) -> bool:
    return any(_alternates(node) for node in [plan.own, *plan.nodes.values()])


def _alternates(node: Node) -> bool:
    if any(cell.alternates > 1 for cell in node.cells) or any(map(_alternates, node.objects.values())):
        return True
    return any(
        any(map(_alternates, listed.indexed.values())) or any(_alternates(one.node) for one in listed.claims)
        for listed in node.lists.values()
    )


def _make_slots(
    plan: ScopePlan, instances: Instances, item: dict[str, Any], resources: Resources, turn: Turn
) -> list[Slot]:
    """Make the resources that values, links and references ask for; of a document that came, only what values need."""
    needed = {
        slot.name
        for slot in plan.slots
        if (slot.always and turn.made) or has_values(plan.nodes[slot.name], item, turn.carriers)
    }
    below = {
        many.slot for many in plan.resources if many.slot and value_at(item, many.path) not in (ABSENT, [])
    }
    while True:
        asked = set(needed)
        for slot in [*plan.slots, *below]:
            new = slot.name in needed and slot.name not in instances
            if not new and slot not in below:
                continue
            if slot.link and isinstance(slot.link[0], str):
                asked.add(slot.link[0])
            asked |= {name for name in (slot.link_to, slot.contained) if name}
            if new or turn.made:
                asked |= {name for _, name, forced in slot.refs if forced}
        more = {slot.name for slot in plan.slots if slot.name in asked} - needed
        if not more:
            break
        needed |= more
    made = [slot for slot in plan.slots if slot.name in needed and slot.name not in instances]
    for slot in sorted(made, key=lambda one: bool(one.contained)):
        owner = instances.get(slot.contained)
        instances[slot.name] = resources.make(slot, owner)
    return made


def has_values(node: Node, item: dict[str, Any], carried: Collection[tuple[int, int]] = ()) -> bool:
    """Say whether the event has something for an object that stands nowhere else: `carried` leaves have a place."""
    if value_at(item, node.prefix) is ABSENT:
        return False
    cells = [*node.cells, *(cell for found in node.primitives.values() for cell in found.values())]
    for cell in cells:
        if (
            (cell.rank == 0 or cell.also)
            and (cell.alternates == 1 or (id(cell.leaf), 0) not in carried)
            and value_at(item, cell.path) is not ABSENT
            and holds_now(cell.when, item)
        ):
            return True
    if any(value_at(item, one.path) is not ABSENT and holds_now(one.when, item) for one in node.presences):
        return True
    if any(_has_items(many, item) for many in node.plains.values()):
        return True
    inner = [
        *node.objects.values(),
        *(one for listed in node.lists.values() for one in listed.indexed.values()),
    ]
    claims = [claim for listed in node.lists.values() for claim in listed.claims]
    inner += [claim.node for claim in claims if claim.many is None]
    return any(has_values(one, item, carried) for one in inner) or any(
        _has_items(claim.many, item) for claim in claims if claim.many is not None
    )


def _has_items(many: ManyPlan, item: dict[str, Any]) -> bool:
    return value_at(item, many.path) not in (ABSENT, [])


def give_node(
    node: Node,
    here: dict[str, Any],
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write the leaves of one JSON object; True where the event has a value in it."""
    required = [one for one in node.required if not turn.made and one.there(here)]
    written = _give_cells(node, here, item, turn)
    for name, cells in node.primitives.items():
        written = give_primitives(cells, here, name, item, turn) or written
    for name, inner in node.objects.items():
        written = give_object(inner, here, name, item, instances, resources, turn) or written
    for name, listed in node.lists.items():
        written = give_list(listed, here, name, item, instances, resources, turn) or written
    for name in node.lists:
        if name.startswith("_"):
            even(here, name)
    for name, many in node.plains.items():
        if not turn.made or holds_now(many.when, item):
            given = item if holds_now(many.when, item) else {}
            written = give_plain(many, here, name, given, turn) or written
    for presence in node.presences:
        if holds_now(presence.when, item):
            written = give_presence(presence.leaf, presence.path, here, item) or written
    for one in required:
        if not one.there(here):
            put_absence(here, one)
    return written


def _give_cells(node: Node, here: dict[str, Any], item: dict[str, Any], turn: Turn) -> bool:
    written = False
    for cell in node.cells:
        if holds_now(cell.when, item):
            written = give_cell(cell, here, item, turn) or written
        elif not turn.made and here.get(cell.name) == turn.hole:
            give_cell(cell, here, {}, turn)
    return written


def even(here: dict[str, Any], below: str) -> None:
    """Make a list of primitives and what stands beside it equally long (R4 2.6.2.3)."""
    values, siblings = here.get(below[1:]), here.get(below)
    if not isinstance(siblings, list):
        return
    if not isinstance(values, list):
        if values is None:
            return
        values = []
    short, long = sorted((values, siblings), key=len)
    short += [None] * (len(long) - len(short))


def give_object(
    node: Node,
    here: dict[str, Any],
    name: str,
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write the object of an element."""
    child = here.get(name)
    if is_absence(child) and has_values(node, item):
        child = None
    if child is None:
        if value_at(item, node.prefix) is ABSENT:
            return False
        child = {}
        written = give_node(node, child, item, instances, resources, turn)
        if child:
            complete(node, child, item, turn)
            here[name] = child
        return written
    if not isinstance(child, dict):
        return False
    full = bool(child)
    written = give_node(node, child, item, instances, resources, turn)
    if full and not child:
        del here[name]
    return written


def give_list(
    listed: Listed,
    here: dict[str, Any],
    name: str,
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write the list of an element: its items by index, then by claims."""
    old = here.get(name, [])
    if not isinstance(old, list):
        return False
    items = list(old)
    written = False
    for at in sorted(listed.indexed):
        written = _give_indexed(listed.indexed[at], items, at, item, instances, resources, turn) or written
    for number, claim in enumerate(listed.claims):
        if claim.many is None:
            written = _give_one(listed, number, claim, items, item, instances, resources, turn) or written
        elif not turn.made or holds_now(claim.many.when, item):
            given = item if holds_now(claim.many.when, item) else {}
            written = _give_items(listed, number, claim, items, given, instances, resources, turn) or written
    if items:
        here[name] = items
    elif old:
        del here[name]
    return written


def _give_indexed(
    node: Node,
    items: list[Any],
    at: int,
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    if at >= len(items):
        if value_at(item, node.prefix) is ABSENT:
            return False
        made: dict[str, Any] = {}
        written = give_node(node, made, item, instances, resources, turn)
        if made:
            while len(items) < at:
                items.append({"extension": [dict(FILLER)]})
            complete(node, made, item, turn)
            items.append(made)
        return written
    if not isinstance(items[at], dict):
        return False
    if is_absence(items[at]) and has_values(node, item):
        items[at] = {}
    full = bool(items[at])
    written = give_node(node, items[at], item, instances, resources, turn)
    if full and not items[at]:
        if at == len(items) - 1:
            items.pop()
            while items and is_absence(items[-1]):  # it only kept the place before the one that is gone
                items.pop()
        else:
            items[at] = {"extension": [dict(FILLER)]}
    return written


def _give_one(
    listed: Listed,
    number: int,
    claim: Claim,
    items: list[Any],
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write the object that a selector names."""
    known = () if turn.made else items
    at = next((at for at, one in enumerate(known) if class_of(listed, one) == number), -1)
    if at >= 0:
        written = give_node(claim.node, items[at], item, instances, resources, turn)
        if not written and items[at] == _bare(claim.node):
            del items[at]
        return written
    if value_at(item, claim.node.prefix) is ABSENT:
        return False
    made: dict[str, Any] = {}
    written = give_node(claim.node, made, item, instances, resources, turn)
    if made:
        complete(claim.node, made, item, turn)
        items.append(made)
        marked(listed, number, claim, made)
    return written


def _bare(node: Node) -> dict[str, Any]:
    """Return an item that holds constants only."""
    made: dict[str, Any] = {}
    for path, value in node.constants:
        put_json(made, path, value)
    return made


def marked(listed: Listed, number: int, claim: Claim, made: dict[str, Any]) -> None:
    """Mark an item that would be taken for another rule's."""
    if class_of(listed, made) != number:
        made.setdefault("extension", []).append({"url": MARK, "valueCode": claim.mark})


def _give_items(
    listed: Listed,
    number: int,
    claim: Claim,
    items: list[Any],
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    many = claim.many
    if many is None:
        return False
    values = items_of(item, many.path)
    if turn.made and not values:
        return False
    classes = [] if turn.made else classified(listed, items)
    mine = [at for at, known in enumerate(classes) if known == number]
    view = resources.view() if mine else resources
    probed = [_probed(many.plan, items[at], instances, view, turn) for at in mine]
    old = [at for at, one in zip(mine, probed, strict=False) if one]
    partners = _partners(many, old, [one for one in probed if one], values)
    for at in old:
        if at not in partners:
            forget(many.plan, items[at], instances, resources.view(), turn)
    made: list[Any] = []
    for at, value in zip(partners, values, strict=True):
        target = items[at] if at >= 0 else {}
        if value == {}:
            raise BadValue("an item of a list holds nothing")
        give_scope(many.plan, target, instances, value, resources, turn if at >= 0 else _new(turn))
        if at < 0:
            complete(many.plan.own, target, value, turn)
        if target:  # of what FHIR has no place for, nothing is left to be written
            marked(listed, number, claim, target)
            made.append(target)
    _put_back(items, old, made)
    return bool(values)


def _new(turn: Turn) -> Turn:
    return turn if turn.made else replace(turn, made=True, carriers={})


def _probed(
    plan: ScopePlan, own: Any, instances: Instances, resources: Resources, turn: Turn
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(own, dict):
        probe = Turn(turn.data, turn.zone, turn.hole, probe=True)
        take_scope(plan, own, instances, found, resources, probe)
    return found


def _partners(many: ManyPlan, old: Sequence[int], probed: Sequence[Any], values: Sequence[Any]) -> list[int]:
    if many.key is None:
        return [old[at] if at < len(old) else -1 for at in range(len(values))]
    key = many.key
    return paired([key_of(one, key) for one in probed], [key_of(one, key) for one in values], old)


def _put_back(items: list[Any], old: Sequence[int], made: Sequence[Any]) -> None:
    """Put what was made where the old items stood, more behind them; gone are those that nothing follows."""
    held = set(old)
    queue = iter(made)
    kept = []
    for at, one in enumerate(items):
        if at not in held:
            kept.append(one)
        elif (target := next(queue, None)) is not None:
            kept.append(target)
    items[:] = [*kept, *queue]


def _give_resources(
    many: ManyPlan,
    own: Any,
    before: Instances,
    instances: Instances,
    item: dict[str, Any],
    resources: Resources,
    turn: Turn,
) -> bool:
    slot = many.slot
    if slot is None or (turn.made and not holds_now(many.when, item)):
        return False
    values = items_of(item, many.path) if holds_now(many.when, item) else ()
    old = [] if turn.made else resources.items(many, own, before)
    view = resources.view() if old else resources
    probed = [_probed(many.plan, one, {**before, slot.name: one}, view, turn) for one in old]
    held = [at for at, one in enumerate(probed) if one]
    partners = _partners(many, held, [one for one in probed if one], values)
    made = []
    for at, value in zip(partners, values, strict=True):
        if value == {}:
            raise BadValue("an item of a list holds nothing")
        target = old[at] if at >= 0 else resources.make(slot, instances.get(slot.contained))
        around = {**instances, slot.name: target}
        give_scope(many.plan, target, around, value, resources, turn if at >= 0 else _new(turn))
        if at < 0:
            complete(many.plan.own, target, value, turn)
            refer_one(slot, around, own, resources)
        else:
            refer_from(slot, around, before, resources)
        made.append(target)
    for at in held:
        if at not in partners:
            around = {**instances, slot.name: old[at]}
            forget(many.plan, old[at], around, resources.view(), turn)
            unlink(slot, old[at], own, instances, resources)
            resources.remove(old[at])
    return bool(values)
