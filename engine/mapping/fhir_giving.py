"""Writes an event into FHIR (or other JSON): walks the plan, makes what lacks, leaves what no rule has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.mapping.fhir_bundle import EACH, Resources
from engine.mapping.fhir_leaves import DATA_ABSENT, NO_RAW
from engine.mapping.fhir_plan import BUNDLE, Cell, Claim, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir_taking import (
    Instances,
    class_of,
    classified,
    inferred,
    presence_url,
    primitive_at,
    said_presence,
    take_scope,
)
from engine.mapping.fhir_values import (
    MARK,
    Turn,
    default_of,
    give_cell,
    give_default,
    holds_now,
    json_at,
    meets,
    printed,
    read,
    value_at,
)
from engine.mapping.leaves import MISS, BadValue
from engine.mapping.rules import FhirPath, Path, Selector, Slot
from engine.mapping.v2_cells import ABSENT, key_of, paired, same

_FILLER: Final = {"url": DATA_ABSENT, "valueCode": "unknown"}


def give_scope(
    plan: ScopePlan,
    own: dict[str, Any] | None,
    known: Instances,
    item: dict[str, Any],
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write one event object; True where its own place has a value."""
    instances = resources.instances(plan, own, known) if not turn.made else dict(known)
    if BUNDLE in plan.nodes and resources.is_bundle:
        instances[BUNDLE] = resources.document
    if not turn.made:
        _probe(plan, own, known, item, resources, turn)
    new = _make_slots(plan, own, instances, item, resources)
    written = own is not None and give_node(plan.own, own, item, instances, resources, turn)
    for name, node in plan.nodes.items():
        if name in instances and node is not plan.own:
            written = give_node(node, instances[name], item, instances, resources, turn) or written
    for slot in new:
        complete(plan.nodes[slot.name], instances[slot.name], item, turn)
    for many in plan.resources:
        written = _give_resources(many, own, instances, item, resources, turn) or written
    _refer(plan, own, instances, new, resources)
    return written


def _probe(
    plan: ScopePlan, own: Any, known: Instances, item: dict[str, Any], resources: Resources, turn: Turn
) -> None:
    """Note which of several places of a leaf carried it."""
    if not _has_alternates(plan):
        return
    probe = Turn(turn.data, turn.zone, turn.hole, probe=True, carriers=turn.carriers)
    take_scope(plan, own, known, {}, resources.fresh(), probe)


def _has_alternates(plan: ScopePlan) -> bool:
    return any(_alternates(node) for node in [plan.own, *plan.nodes.values()])


def _alternates(node: Node) -> bool:
    if any(cell.alternates > 1 for cell in node.cells) or any(map(_alternates, node.objects.values())):
        return True
    return any(
        any(map(_alternates, listed.indexed.values())) or any(_alternates(one.node) for one in listed.claims)
        for listed in node.lists.values()
    )


# ---------------------------------------------------------------- slots


def _make_slots(
    plan: ScopePlan, own: Any, instances: Instances, item: dict[str, Any], resources: Resources
) -> list[Slot]:
    """Make the resources that values, links and references ask for."""
    needed = {slot.name for slot in plan.slots if slot.always or has_values(plan.nodes[slot.name], item)}
    below = {
        many.slot for many in plan.resources if many.slot and value_at(item, many.path) not in (ABSENT, [])
    }
    while True:
        asked = set(needed) | set(instances)
        for slot in [*plan.slots, *below]:
            if slot.name in asked or slot in below:
                if slot.link and isinstance(slot.link[0], str):
                    asked.add(slot.link[0])
                asked |= {slot.link_to} if slot.link_to else set()
                asked |= {slot.contained} if slot.contained else set()
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


def has_values(node: Node, item: dict[str, Any]) -> bool:
    """Say whether the event has something for an object."""
    if value_at(item, node.prefix) is ABSENT:
        return False
    cells = [*node.cells, *(cell for found in node.primitives.values() for cell in found.values())]
    if any(
        value_at(item, cell.path) is not ABSENT and holds_now(cell.when, item)
        for cell in cells
        if cell.rank == 0 or cell.also
    ):
        return True
    if any(value_at(item, path) is not ABSENT for _, path in node.presences):
        return True
    if any(has_values(inner, item) for inner in node.objects.values()):
        return True
    if any(value_at(item, many.path) not in (ABSENT, []) for many in node.plains.values()):
        return True
    for listed in node.lists.values():
        if any(has_values(inner, item) for inner in listed.indexed.values()):
            return True
        for claim in listed.claims:
            if claim.many is None and has_values(claim.node, item):
                return True
            if claim.many is not None and value_at(item, claim.many.path) not in (ABSENT, []):
                return True
    return False


def complete(node: Node, here: dict[str, Any], item: dict[str, Any], turn: Turn) -> None:
    """Write constants and defaults of an object that was made."""
    for path, value in node.constants:
        if json_at(here, path) is ABSENT:
            put_json(here, path, value)
    for path, cell in node.defaults:
        text = default_of(cell, item, turn.data)
        if not text or text == "none" or value_at(item, cell.path) is not ABSENT:
            continue
        owner = json_at(here, path[:-1])
        if owner is ABSENT:
            owner = {}
            put_json(here, path[:-1], owner)
        if isinstance(owner, dict):
            give_default(cell, owner, text)


def put_json(here: Any, path: FhirPath, value: Any) -> None:
    """Set a place of a tree, objects and lists on the way made."""
    for at, step in enumerate(path):
        last = at == len(path) - 1
        following = path[at + 1] if not last else None
        if isinstance(step, str):
            if last:
                here[step] = value
            else:
                here = here.setdefault(step, {} if isinstance(following, str) else [])
        elif isinstance(step, Selector):
            found = next((one for one in here if meets(one, step)), None)
            if found is None:
                found = {}
                here.append(found)
                for inner, text in step.conditions:
                    put_json(found, inner, text)
            here = found
        else:
            while len(here) < step:
                here.append({"extension": [dict(_FILLER)]})
            if len(here) == step:
                here.append({})
            if last:
                here[step] = value
            else:
                here = here[step]


# ---------------------------------------------------------------- objects


def give_node(
    node: Node,
    here: dict[str, Any],
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    """Write the leaves of one JSON object; True where the event has a value in it."""
    written = False
    for cell in node.cells:
        if holds_now(cell.when, item):
            written = give_cell(cell, here, item, turn) or written
    for name, cells in node.primitives.items():
        written = _give_primitives(cells, here, name, item, turn) or written
    for name, inner in node.objects.items():
        written = _give_object(inner, here, name, item, instances, resources, turn) or written
    for name, listed in node.lists.items():
        written = _give_list(listed, here, name, item, instances, resources, turn) or written
    for name in node.lists:
        if name.startswith("_"):
            _even(here, name)
    for name, many in node.plains.items():
        if holds_now(many.when, item):
            written = _give_plain(many, here, name, item, turn) or written
    for leaf, path in node.presences:
        written = _give_presence(leaf, path, here, item) or written
    return written


def _even(here: dict[str, Any], below: str) -> None:
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


def _give_object(
    node: Node,
    here: dict[str, Any],
    name: str,
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
    child = here.get(name)
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


def _give_list(
    listed: Listed,
    here: dict[str, Any],
    name: str,
    item: dict[str, Any],
    instances: Instances,
    resources: Resources,
    turn: Turn,
) -> bool:
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
        elif holds_now(claim.many.when, item):
            written = _give_items(listed, number, claim, items, item, instances, resources, turn) or written
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
                items.append({"extension": [dict(_FILLER)]})
            complete(node, made, item, turn)
            items.append(made)
        return written
    if not isinstance(items[at], dict):
        return False
    if items[at] == {"extension": [_FILLER]} and has_values(node, item):
        items[at] = {}
    full = bool(items[at])
    written = give_node(node, items[at], item, instances, resources, turn)
    if full and not items[at]:
        if at == len(items) - 1:
            items.pop()
        else:
            items[at] = {"extension": [dict(_FILLER)]}
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
        _marked(listed, number, claim, made)
    return written


def _bare(node: Node) -> dict[str, Any]:
    """Return an item that holds constants only."""
    made: dict[str, Any] = {}
    for path, value in node.constants:
        put_json(made, path, value)
    return made


def _marked(listed: Listed, number: int, claim: Claim, made: dict[str, Any]) -> None:
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
    values = _items_of(item, many.path)
    if turn.made and not values:
        return False
    classes = [] if turn.made else classified(listed, items)
    mine = [at for at, known in enumerate(classes) if known == number]
    probed = [] if turn.made else [_probed(many.plan, items[at], instances, resources, turn) for at in mine]
    old = [at for at, one in zip(mine, probed, strict=False) if one]
    partners = _partners(many, old, [one for one in probed if one], values)
    made: list[Any] = []
    for at, value in zip(partners, values, strict=True):
        target = items[at] if at >= 0 else {}
        if value == {}:
            raise BadValue("an item of a list holds nothing")
        give_scope(many.plan, target, instances, value, resources, turn if at >= 0 else _new(turn))
        if at < 0:
            complete(many.plan.own, target, value, turn)
        _marked(listed, number, claim, target)
        made.append(target)
    _put_back(items, old, made)
    return bool(values)


def _new(turn: Turn) -> Turn:
    return turn if turn.made else Turn(turn.data, turn.zone, turn.hole, made=True)


def _items_of(item: dict[str, Any], path: Path) -> Sequence[Any]:
    values = value_at(item, path)
    if values is ABSENT or values is None:
        return ()
    if not isinstance(values, list):
        raise BadValue("a list is needed")
    return values


def _probed(
    plan: ScopePlan, own: Any, instances: Instances, resources: Resources, turn: Turn
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(own, dict):
        probe = Turn(turn.data, turn.zone, turn.hole, probe=True)
        take_scope(plan, own, instances, found, resources.fresh(), probe)
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


def _give_primitives(
    cells: dict[int, Cell], here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn
) -> bool:
    written = False
    values = list(here[name]) if isinstance(here.get(name), list) else []
    siblings = list(here[f"_{name}"]) if isinstance(here.get(f"_{name}"), list) else []
    before = (list(values), list(siblings))
    for at in sorted(cells):
        cell = cells[at]
        if holds_now(cell.when, item):
            written = _give_primitive(cell, values, siblings, at, value_at(item, cell.path), turn) or written
    if (values, siblings) != before:
        _settle(here, name, values, siblings)
    return written


def _give_primitive(
    cell: Cell, values: list[Any], siblings: list[Any], at: int, value: Any, turn: Turn
) -> bool:
    raw, sibling = primitive_at({"v": values, "_v": siblings}, "v", at)
    if value is ABSENT:
        if raw is not NO_RAW or sibling is not None:
            known = MISS if raw == turn.hole else read(cell, raw, sibling, "")[0]
            if raw == turn.hole or known is not MISS:
                _set(values, at, None)
                if raw != turn.hole or sibling is not None:
                    _set(siblings, at, None)
        return False
    if raw is not NO_RAW and raw != turn.hole and same(read(cell, raw, sibling, "")[0], value):
        return True
    if raw is NO_RAW and sibling is not None and same(read(cell, raw, sibling, "")[0], value):
        return True
    text, extension = printed(cell, value, "", "")
    _set(values, at, None if text is NO_RAW else text)
    if extension is not None:
        _set(siblings, at, {"extension": [extension]})
    elif sibling is not None and raw is NO_RAW:
        _set(siblings, at, None)
    return True


def _set(cells: list[Any], at: int, value: Any) -> None:
    if value is None and at >= len(cells):
        return
    while len(cells) <= at:
        cells.append(None)
    cells[at] = value


def _settle(here: dict[str, Any], name: str, values: list[Any], siblings: list[Any]) -> None:
    """Put a list of primitives back: a place that is empty says that nothing is known there."""
    length = max(len(values), len(siblings))
    values += [None] * (length - len(values))
    siblings += [None] * (length - len(siblings))
    absent = {"extension": [_FILLER]}
    while values and values[-1] is None and siblings[-1] in (None, absent):
        values.pop()
        siblings.pop()
    for at, value in enumerate(values):
        if value is None and siblings[at] is None:
            siblings[at] = {"extension": [dict(_FILLER)]}
        elif value is not None and siblings[at] == absent:
            siblings[at] = None
    beside = any(cell is not None for cell in siblings)
    for key, cells, needed in ((name, values, False), (f"_{name}", siblings, beside)):
        if needed or any(cell is not None for cell in cells):
            here[key] = cells
        else:
            here.pop(key, None)


def _give_plain(many: ManyPlan, here: dict[str, Any], name: str, item: dict[str, Any], turn: Turn) -> bool:
    cell = many.plan.own.cells[0]
    wanted = list(_items_of(item, many.path))
    values = list(here[name]) if isinstance(here.get(name), list) else []
    siblings = list(here[f"_{name}"]) if isinstance(here.get(f"_{name}"), list) else []
    before = (list(values), list(siblings))
    pairs = [
        primitive_at({"v": values, "_v": siblings}, "v", at) for at in range(max(len(values), len(siblings)))
    ]
    readable = [
        at
        for at, (raw, sibling) in enumerate(pairs)
        if raw == turn.hole or read(cell, raw, sibling, "")[0] is not MISS
    ]
    for at in reversed(readable[len(wanted) :]):
        del values[at : at + 1], siblings[at : at + 1]
    places = readable[: len(wanted)] + list(range(len(values), len(values) + len(wanted) - len(readable)))
    for at, value in zip(places, wanted, strict=False):
        _give_primitive(cell, values, siblings, at, value, turn)
    if (values, siblings) != before:
        _settle(here, name, values, siblings)
    return bool(wanted)


def _give_presence(leaf: Any, path: Path, here: dict[str, Any], item: dict[str, Any]) -> bool:
    value = value_at(item, path)
    said = said_presence(leaf, here)
    guess = inferred(leaf, here)
    wanted = value if isinstance(value, str) else None
    if wanted == (said or guess):
        return wanted is not None
    kept = [
        one
        for one in here.get("extension", [])
        if not (isinstance(one, dict) and one.get("url") == presence_url(leaf))
    ]
    if wanted is not None and wanted != guess:
        kept.append({"url": presence_url(leaf), "valueCode": wanted})
    if kept:
        here["extension"] = kept
    else:
        here.pop("extension", None)
    return wanted is not None


# ---------------------------------------------------------------- resources of a list, references


def _give_resources(
    many: ManyPlan, own: Any, instances: Instances, item: dict[str, Any], resources: Resources, turn: Turn
) -> bool:
    slot = many.slot
    if slot is None or not holds_now(many.when, item):
        return False
    values = _items_of(item, many.path)
    old = [] if turn.made else resources.items(many, own, instances)
    probed = [_probed(many.plan, one, {**instances, slot.name: one}, resources, turn) for one in old]
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
            _refer_one(slot, around, own, resources)
        made.append(target)
    for at in held:
        if at not in partners:
            _unlink(slot, old[at], own, instances, resources)
            resources.remove(old[at])
    return bool(values)


def _refer_one(slot: Slot, instances: Instances, own: Any, resources: Resources) -> None:
    """Write the references of a new resource, and those that lead to it."""
    mine = instances[slot.name]
    for path, name, _ in slot.refs:
        if name in instances and EACH not in path:
            _set_reference(mine, path, resources.refer(instances[name]))
    _link(slot, mine, instances, own, resources)
    for other in resources.slots.values():
        for path, name, _ in other.refs:
            if name == slot.name and other.name in instances and EACH in path:
                _append_reference(instances[other.name], path, resources.refer(mine))


def _link(slot: Slot, mine: dict[str, Any], instances: Instances, own: Any, resources: Resources) -> None:
    if slot.link:
        first = slot.link[0]
        named = isinstance(first, str) and first in resources.slots
        source = instances.get(str(first)) if named else own
        path = slot.link[1:] if named else slot.link
        if isinstance(source, dict):
            if EACH in path:
                _append_reference(source, path, resources.refer(mine))
            else:
                _set_reference(source, path, resources.refer(mine))
    elif slot.link_from and slot.link_to in instances:
        _set_reference(mine, slot.link_from, resources.refer(instances[slot.link_to]))


def _refer(
    plan: ScopePlan, own: Any, instances: Instances, new: Sequence[Slot], resources: Resources
) -> None:
    """Write references between slots of which one is new."""
    fresh = {slot.name for slot in new}
    for slot in new:
        _link(slot, instances[slot.name], instances, own, resources)
    for slot in resources.slots.values():
        if slot.name not in instances or (slot.name not in fresh and slot not in plan.slots and not fresh):
            continue
        for path, name, _ in slot.refs:
            if name in instances and EACH not in path and (name in fresh or slot.name in fresh):
                _set_reference(instances[slot.name], path, resources.refer(instances[name]))
            elif name in fresh and name in instances:
                _append_reference(instances[slot.name], path, resources.refer(instances[name]))


def _set_reference(source: dict[str, Any], path: FhirPath, reference: dict[str, Any] | None) -> None:
    if reference is None:
        return
    place = json_at(source, path)
    if place is ABSENT:
        put_json(source, path, dict(reference))
    elif isinstance(place, dict) and "reference" not in place:
        place.update(reference)


def _append_reference(source: dict[str, Any], path: FhirPath, reference: dict[str, Any] | None) -> None:
    if reference is None:
        return
    at = path.index(EACH)
    listed = json_at(source, path[:at])
    if listed is ABSENT:
        listed = []
        put_json(source, path[:at], listed)
    if not isinstance(listed, list):
        return
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


def _unlink(slot: Slot, gone: dict[str, Any], own: Any, instances: Instances, resources: Resources) -> None:
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
