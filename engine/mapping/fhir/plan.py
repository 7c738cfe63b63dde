"""Plans a FHIR side: its rules as a tree of JSON objects and lists, which reading and writing walk over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.mapping.fhir.checking import Judge, Required
from engine.mapping.fhir.leaves import FhirLeaf, fhir_leaf_type
from engine.mapping.fhir.nodes import (
    BUNDLE,
    EXTENSION,
    Cell,
    Claim,
    Listed,
    ManyPlan,
    Node,
    Presence,
    ScopePlan,
)
from engine.mapping.rules import Definition, FhirPath, Leaf, Many, Path, Scope, Selector, Slot, When


def fhir_plan(definition: Definition, side: str, judge: Judge) -> ScopePlan:
    """Return the plan of a mapper's side `fhir` or `json`; what R4 says against it goes to the judge's faults."""
    planner = _Planner(definition, side, judge)
    if side == "fhir":
        for slot in definition.slots.values():
            judge.slot(slot, dict(definition.slots))
    return planner.scope(definition.scope, (), None)


class _Planner:
    def __init__(self, definition: Definition, side: str, judge: Judge) -> None:
        self._slots = definition.slots if side == "fhir" else {}
        self._bundle = definition.bundle
        self._side = side
        self._judge = judge
        self._type_of = judge.type_of
        self._referring: dict[tuple[str, FhirPath], tuple[Required, ...]] = {}
        for slot in self._slots.values():
            self._refer(slot, [path for path, _, _ in slot.refs])
            if slot.link and slot.link[0] in self._slots:
                self._refer(self._slots[str(slot.link[0])], [slot.link[1:]])

    def _refer(self, slot: Slot, paths: Sequence[FhirPath]) -> None:
        for path in paths:
            if len(path) > 2 and not isinstance(path[1], str):
                self._referring[slot.name, path] = tuple(self._judge.required((slot.type, str(path[0]))))

    def scope(
        self, scope: Scope, full: Path, own: tuple[str, ...] | None, slot: Slot | None = None
    ) -> ScopePlan:
        """Plan one scope; `own` are the names of its place, None where it has none, `slot` the resource it is."""
        plan = ScopePlan(full, Node(own or ()), referring=self._referring)
        plan.slots = [one for one in self._slots.values() if one.each == full and one is not slot]
        for one in [*plan.slots, *([slot] if slot else [])]:
            plan.nodes[one.name] = Node((one.type,))
        if not full and self._bundle != "none" and self._side == "fhir":
            plan.nodes[BUNDLE] = Node((BUNDLE,))
        if slot is not None:
            plan.own = plan.nodes[slot.name]
        self._fill(plan, scope, (), (), None)
        for node in [plan.own, *plan.nodes.values()]:
            _order(node)
            node.settle()
            self._require(node)
        plan.resources.sort(key=lambda many: many.depth)
        for one in plan.slots:
            plan.nodes[one.name].constants += [
                (path, self._typed((one.type,), path, text)) for path, text in (*one.where, *one.constants)
            ]
        if slot is not None:
            plan.own.constants += [
                (path, self._typed((slot.type,), path, text)) for path, text in (*slot.where, *slot.constants)
            ]
        plan.passes = 1 + max(
            [node.deepest() for node in [plan.own, *plan.nodes.values()]]
            + [many.depth for many in plan.resources]
        )
        return plan

    def _require(self, node: Node) -> None:
        """Note what R4 must have in an object and in those below it."""
        if self._side == "fhir" and not node.required:
            node.required = self._judge.required(node.path)
        for inner in node.objects.values():
            self._require(inner)
        for listed in node.lists.values():
            for inner in (*listed.indexed.values(), *(claim.node for claim in listed.claims)):
                self._require(inner)

    def _fill(self, plan: ScopePlan, scope: Scope, prefix: Path, base: FhirPath, outer: When | None) -> None:
        depths = _depths(scope)
        for leaf in scope.leaves:
            self._leaf(plan, leaf, prefix, base, depths, outer)
        for many in scope.lists:
            self._many(plan, many, prefix, base, depths, outer)
        for at, full, text in scope.constants:
            node, below = self._node(plan, base + at), full[len(at) :]
            node.constants.append((below, self._typed(node.path, below, text)))

    def _leaf(
        self,
        plan: ScopePlan,
        leaf: Leaf,
        prefix: Path,
        base: FhirPath,
        depths: Mapping[Path, int],
        outer: When | None,
    ) -> None:
        places = leaf.json if self._side == "json" else (*leaf.fhir, *leaf.fhir_also)
        when = _prefixed(leaf.when, prefix) or outer
        depth = _depth(leaf.when, depths) + (
            1 if self._side in leaf.default and leaf.default[self._side].by else 0
        )
        if leaf.present and leaf.present_at is not None and self._side == "fhir":
            node = self._node(plan, self._placed(base, leaf.present_at))
            node.presences.append(Presence(leaf, prefix + leaf.path, when, depth))
        for rank, place in enumerate(places):
            self._judge.at = _written(leaf, self._side, rank)
            path = self._placed(base, place)
            cell = Cell(
                "", leaf, prefix + leaf.path, _NO_KIND, when, rank, len(places), rank >= len(leaf.fhir)
            )
            cell.pinned, cell.depth = self._side in leaf.pinned, depth
            if leaf.yields_to:
                cell.yields_to = prefix + leaf.yields_to
            self._cell(plan, path, cell)

    def _placed(self, base: FhirPath, path: FhirPath) -> FhirPath:
        """Return a path within the scope: one that begins with a slot stands for itself."""
        if path and (path[0] in self._slots or path[0] == BUNDLE):
            return path
        return base + path

    def _cell(self, plan: ScopePlan, path: FhirPath, cell: Cell) -> None:
        if not path:
            return
        last = path[-1]
        if isinstance(last, int):
            owner = self._node(plan, path[:-2])
            cell.name = str(path[-2])
            owner.primitives.setdefault(cell.name, {})[last] = cell
        else:
            owner = self._node(plan, path[:-1])
            cell.name = str(last)
            owner.cells.append(cell)
            if self._side in cell.leaf.default:
                self._default(plan, path, cell)
        names = (*owner.path, cell.name)
        if self._side == "fhir":
            self._judge.leaf(cell.leaf, names, listed=isinstance(last, int))
        kind = self._type_of(names) if self._side == "fhir" else _json_type(cell.leaf)
        codes = self._judge.codes_of(names) if self._side == "fhir" else None
        cell.kind = fhir_leaf_type(cell.leaf, kind, self._side, codes)

    def _default(self, plan: ScopePlan, path: FhirPath, cell: Cell) -> None:
        """Note a default at the resource or the item of a list that it is written with."""
        at = len(path) - 1
        while at > 0 and isinstance(path[at - 1], str) and not (at == 1 and path[0] in plan.nodes):
            at -= 1
        self._node(plan, path[:at]).defaults.append((path[at:], cell))

    def _node(self, plan: ScopePlan, path: FhirPath) -> Node:
        """Return the node of an object, made on the way."""
        node = plan.own
        at = 0
        if path and isinstance(path[0], str) and path[0] in plan.nodes:
            node, at = plan.nodes[path[0]], 1
        elif path and path[0] in self._slots:
            self._judge.unreachable(path, str(path[0]))
            return Node()
        while at < len(path):
            name = str(path[at])
            step = path[at + 1] if at + 1 < len(path) else None
            names = (*node.path, name)
            if self._side == "fhir":
                self._judge.step(names, listed=isinstance(step, int | Selector))
            if isinstance(step, int):
                node = node.lists.setdefault(name, Listed()).indexed.setdefault(step, Node(names))
                at += 2
            elif isinstance(step, Selector):
                node = _claimed(node.lists.setdefault(name, Listed()), step, names).node
                self._select(node, step)
                at += 2
            else:
                node = node.objects.setdefault(name, Node(names))
                at += 1
        return node

    def _select(self, node: Node, selector: Selector) -> None:
        for inner, text in selector.conditions:
            constant = (inner, self._typed(node.path, inner, text))
            if constant not in node.constants:
                node.constants.append(constant)

    def _many(
        self,
        plan: ScopePlan,
        many: Many,
        prefix: Path,
        base: FhirPath,
        depths: Mapping[Path, int],
        outer: When | None,
    ) -> None:
        place = many.json if self._side == "json" else many.fhir
        path = prefix + many.path
        if not many.many:
            when = _prefixed(many.when, prefix) or outer
            self._fill(plan, many.scope, path, base if place is None else self._placed(base, place), when)
            return
        full = plan.full + path
        slots = [one for one in self._slots.values() if one.each == full]
        own = place is not None and not (len(place) == 1 and place[0] in self._slots)
        slot = (
            None
            if own
            else next((one for one in slots if place and one.name == place[0]), slots[0] if slots else None)
        )
        if place is None and slot is None:
            return
        made = ManyPlan(
            path,
            _LATER,
            many.key,
            _prefixed(many.when, prefix) or outer,
            slot,
            _depth(many.when, depths),
            ".".join(full),
        )
        plan.inner.append(made)
        if not own or place is None:
            if slot is not None and (owner := self._owner(plan, slot)) is not None:
                self._null(owner, many, made, made.depth + 1)
            made.plan = self.scope(many.scope, full, None, slot)
            plan.resources.append(made)
            return
        self._in_list(plan, many, made, self._placed(base, place), full)

    def _in_list(self, plan: ScopePlan, many: Many, made: ManyPlan, place: FhirPath, full: Path) -> None:
        last = place[-1]
        self._judge.at = _written(many, self._side, 0)
        selector = last if isinstance(last, Selector) else None
        end = -2 if selector else -1
        owner = self._node(plan, place[:end])
        name = str(place[end])
        names = (*owner.path, name)
        if self._side == "fhir":
            self._judge.step(names, listed=True)
        self._null(owner, many, made, made.depth)
        if many.plain:
            made.plan = ScopePlan(full, Node(names))
            leaf = many.scope.leaves[0]
            kind = self._type_of(names) if self._side == "fhir" else _json_type(leaf)
            made.plan.own.cells.append(Cell("", leaf, ("",), fhir_leaf_type(leaf, kind, self._side), None))
            owner.plains[name] = made
            return
        made.plan = self.scope(many.scope, full, names)
        claim = Claim(selector, made.plan.own, made, made.name)
        if selector is not None:
            self._select(made.plan.own, selector)
        owner.lists.setdefault(name, Listed()).claims.append(claim)

    def _owner(self, plan: ScopePlan, slot: Slot) -> Node | None:
        """Return the resource that refers to the resources of a list, None where none of this event object does."""
        referrers = [
            one.name for one in self._slots.values() if any(name == slot.name for _, name, _ in one.refs)
        ]
        names = [slot.link[0], *referrers] if slot.link else referrers
        return next((plan.nodes[str(name)] for name in names if name in plan.nodes), None)

    def _null(self, owner: Node, many: Many, made: ManyPlan, depth: int) -> None:
        """Have an extension say that a list is null, which HL7 says of repetitions."""
        if many.anchors or self._side != "fhir" or owner.path == (BUNDLE,):
            return
        url = NULL_LIST + ".".join(made.path)
        node = _claimed(owner.lists.setdefault(EXTENSION, Listed()), Selector(((("url",), url),)), ()).node
        node.constants.append((("url",), url))
        leaf = Leaf(made.path, "text", many.mark)
        is_null = When(((made.path, frozenset({None})),))
        cell = Cell(
            "valueCode", leaf, made.path, fhir_leaf_type(leaf, "code"), is_null, depth=depth, null=True
        )
        node.cells.append(cell)

    def _typed(self, names: Sequence[str], path: FhirPath, text: str) -> Any:
        """Return a constant as its element has it: a text, a number, true."""
        kind = (
            self._type_of((*names, *(step for step in path if isinstance(step, str))))
            if self._side == "fhir"
            else "string"
        )
        if kind == "boolean":
            return text == "true"
        if kind in ("integer", "positiveInt", "unsignedInt"):
            return int(text)
        return Decimal(text) if kind == "decimal" else text


NULL_LIST: Final = "urn:passerelle:fhir:list:"
"""Followed by the path of a list in its event object: the extension that says that it is null."""
_NO_KIND: Final = FhirLeaf(lambda raw: raw, lambda value, offset: value)
_LATER: Final = ScopePlan((), Node())


def _written(one: Leaf | Many, side: str, rank: int) -> Any:
    """Return the text of a rule's path, for its place in the file."""
    node = one.mark.get(side) if isinstance(one.mark, dict) else None
    if isinstance(node, list):
        return node[min(rank, len(node) - 1)]
    return node if isinstance(node, str) else one.mark


def _json_type(leaf: Leaf) -> str:
    return {"bool": "boolean", "int": "integer"}.get(leaf.kind, "string")


def _claimed(listed: Listed, selector: Selector, names: tuple[str, ...]) -> Claim:
    for claim in listed.claims:
        if claim.selector == selector and claim.many is None:
            return claim
    listed.claims.append(Claim(selector, Node(names)))
    return listed.claims[-1]


def _order(node: Node) -> None:
    """Put the claim without a selector last, and give each its mark; note elements that two leaves share."""
    for cell in node.cells:
        cell.shared = any(
            other.name == cell.name and bool(other.yields_to) != bool(cell.yields_to) for other in node.cells
        )
    node.cells.sort(key=lambda cell: bool(cell.yields_to))
    for name, listed in node.lists.items():
        listed.claims.sort(key=lambda claim: claim.selector is None)
        for at, claim in enumerate(listed.claims):
            claim.mark = claim.mark or f"{name}-{at}"
            _pin(listed.claims, claim.node)
            _order(claim.node)
        for inner in listed.indexed.values():
            _order(inner)
    for inner in node.objects.values():
        _order(inner)


def _pin(claims: Sequence[Claim], node: Node) -> None:
    """Keep the leaves of an item by which it is told from others: a hole would make it another's."""
    for claim in claims:
        for path, _ in claim.selector.conditions if claim.selector else ():
            cell = _cell_at(node, path)
            if cell is not None:
                cell.pinned = True


def _cell_at(node: Node, path: FhirPath) -> Cell | None:
    for at, step in enumerate(path):
        following = path[at + 1] if at + 1 < len(path) else None
        if isinstance(step, str) and following is None:
            return next((cell for cell in node.cells if cell.name == step), None)
        if isinstance(step, str) and isinstance(following, int):
            listed = node.lists.get(step)
            if listed is None or following not in listed.indexed:
                return None
            node = listed.indexed[following]
        elif isinstance(step, str):
            if step not in node.objects:
                return None
            node = node.objects[step]
    return None


def _depths(scope: Scope) -> dict[Path, int]:
    """Return how many conditions stand before each leaf."""
    leaves = {leaf.path: leaf for leaf in scope.leaves}
    found: dict[Path, int] = {}

    def depth(path: Path, level: int = 0) -> int:
        leaf = leaves.get(path)
        if leaf is None or leaf.when is None or level > 8:
            return 0
        return 1 + max(depth(asked, level + 1) for asked, _ in leaf.when.tests)

    for path in leaves:
        found[path] = depth(path)
    return found


def _depth(when: When | None, depths: Mapping[Path, int]) -> int:
    return 1 + max(depths.get(path, 0) for path, _ in when.tests) if when is not None else 0


def _prefixed(when: When | None, prefix: Path) -> When | None:
    return when and When(tuple((prefix + path, values) for path, values in when.tests))
