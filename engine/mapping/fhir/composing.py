"""Makes a new document of an event: finds, or compiles, what its objects need by their shape, and puts it together.

The resources of the whole event are compiled one by one, each for the shape of those objects that it takes from;
an item of a list is compiled as a whole, with the resources of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.fhir.bundle import contain, entry_of, marked_slots
from engine.mapping.fhir.emitting import Emitter, Made
from engine.mapping.fhir.linking import OWN, linking
from engine.mapping.fhir.nodes import BUNDLE, Cell, Claim, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir.references import Refer, referrer
from engine.mapping.fhir.shapes import MOST_NOTED, Asked, NotMade, Shape, Shapes, asked
from engine.mapping.fhir.values import Turn, holds_now, value_at
from engine.mapping.rules import PRESENT_CODE, Path, Slot, When

Env = Mapping[str, tuple[dict[str, Any], str]]
"""The resources around by their slots, each with the address that references to it have."""
MOST_COMPILED: Final = 2_000
"""How many functions a mapper keeps before it begins anew."""
_NUMBERS: Final = [f"{number:05x}" for number in range(1_000)]


class Run:
    """One document on its way."""

    __slots__ = ("_count", "_document", "_entries", "_marked", "_prefix", "_request", "turn")

    def __init__(self, document: dict[str, Any], seed: str, marked: frozenset[str], turn: Turn) -> None:
        self.turn = turn
        self._document = document
        self._entries: list[dict[str, Any]] | None = None
        self._marked = marked
        self._prefix = f"urn:uuid:{seed[:8]}-{seed[8:12]}-8{seed[13:16]}-a{seed[17:20]}-{seed[20:27]}"
        self._request = document.get("type") in ("transaction", "batch")
        self._count = 0

    def enter(self, slot: Slot, owner: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
        """Add a new resource: an entry, or contained in `owner`; return it with its address."""
        resource: dict[str, Any] = {"resourceType": slot.type}
        if slot.contained:
            return resource, contain(slot, resource, self._document if owner is None else owner)
        self._count = count = self._count + 1
        url = self._prefix + (_NUMBERS[count] if count < len(_NUMBERS) else f"{count:05x}")
        if self._request or slot.name in self._marked:
            entry = entry_of(slot, resource, url, marked=slot.name in self._marked, request=self._request)
        else:
            entry = {"fullUrl": url, "resource": resource}
        if self._entries is None:
            self._entries = self._document["entry"] = []
        self._entries.append(entry)
        return resource, url


class Composer:
    """Makes a mapper's documents, with what was compiled for the shapes that came."""

    def __init__(self, name: str, plan: ScopePlan, slots: Sequence[Slot]) -> None:
        self.name = name
        self.slots = tuple(slots)
        self.compiled = 0
        self._marked = marked_slots(slots)
        self._shapes: list[Shapes[Any]] = []
        self._whole = _Whole(self, plan)

    def make(self, own: dict[str, Any] | None, document: dict[str, Any], seed: str, turn: Turn) -> None:
        """Write an event into a new document; `own` is its place where it has one of its own (other JSON).

        Raises:
            NotMade: it is for the general functions; so it is where BadValue, TypeError and the like are raised.
        """
        if self.compiled > MOST_COMPILED:
            self.compiled = 0
            for shapes in self._shapes:
                shapes.clear()
        self._whole.make(own, document, Run(document, seed, self._marked, turn))

    def known(self, shapes: Shapes[Any]) -> Any:
        """Note what is to be forgotten when too much was compiled."""
        self._shapes.append(shapes)
        return shapes


def _refuse(here: Any, objects: Any, env: Any, run: Any) -> None:
    """Stand for a shape that is not compiled."""
    raise NotMade


class ItemMaker:
    """Makes the items of one list of the event: in a JSON list (of a claim), or resources of a slot."""

    def __init__(
        self, composer: Composer, many: ManyPlan, listed: Listed | None, claim: Claim | None
    ) -> None:
        self._composer = composer
        self._many = many
        self._plan = many.plan
        self._listed = listed
        self._claim = claim
        self._links = linking(many.plan, composer.slots)
        self._interest = sorted(self._links.interest(many.slot))
        nodes = [many.plan.own, *many.plan.nodes.values()]
        self._asked = _asked(nodes, many.plan.resources)
        self._outward = _outward(many.plan, composer.slots)
        self._by_env: dict[tuple[bool, ...], Shapes[Made]] = {}
        self._inner: dict[int, ItemMaker] = {}

    def items(self, values: Any, env: Env, run: Run) -> list[dict[str, Any]]:
        """Return the JSON of the items of an event's list."""
        shapes = self._shapes(env)
        made = []
        for value in _listed(values):
            here: dict[str, Any] = {}
            function = shapes.flat(value)
            if function is not None:
                function(here, (value,), env, run)
            else:
                function, objects = shapes.find(value)
                function(here, objects, env, run)
            if not here:
                raise NotMade
            made.append(here)
        return made

    def resources(self, values: Any, own: Any, env: Env, run: Run) -> None:
        """Make a resource of each item of an event's list; `own` is the place that the list belongs to."""
        slot = self._many.slot
        if slot is None:
            return
        owner = env[slot.contained][0] if slot.contained in env else None
        find = self._shapes(env).find
        for value in _listed(values):
            made = run.enter(slot, owner)
            function, objects = find(value)
            function(made[0], objects, {**env, slot.name: made, OWN: (own, "")}, run)

    def _shapes(self, env: Env) -> Shapes[Made]:
        around = tuple([name in env for name in self._interest]) if self._interest else ()
        found = self._by_env.get(around)
        if found is None:
            names = frozenset(name for name, there in zip(self._interest, around, strict=True) if there)
            made: Shapes[Made] = Shapes(self._asked, lambda shape: self._compiled(shape, names))
            found = self._by_env[around] = self._composer.known(made)
        return found

    def _maker(self, many: ManyPlan, listed: Listed | None, claim: Claim | None) -> ItemMaker:
        found = self._inner.get(id(many))
        if found is None:
            found = self._inner[id(many)] = ItemMaker(self._composer, many, listed, claim)
        return found

    def _compiled(self, shape: Shape, around: frozenset[str]) -> Made:
        self._composer.compiled += 1
        try:
            return self._emitted(shape, around)
        except NotMade:
            return _refuse

    def _emitted(self, shape: Shape, around: frozenset[str]) -> Made:
        plan, own = self._plan, self._many.slot
        emitter = Emitter(self._composer.name, shape, self._maker)
        sketch = emitter.sketch
        lists = [many for many in plan.resources if shape.has(many.path) and sketch.holds(many.when)]
        below = [many.slot for many in lists if many.slot is not None]
        valued = [slot.name for slot in plan.slots if sketch.wants(plan.nodes[slot.name])]
        made = self._links.needed(valued, below)
        emitter.tree(OWN, "here", own)
        emitter.fill(OWN, plan.own)
        for slot in plan.slots:
            if slot in made:
                emitter.tree(slot.name, f"r_{slot.name}", slot)
                emitter.fill(slot.name, plan.nodes[slot.name])
        for slot in made:
            emitter.complete(slot.name, plan.nodes[slot.name])
        _guard(self._outward, emitter, {own.name: OWN} if own is not None else {})
        mine = {slot.name: slot.name for slot in made} | ({own.name: OWN} if own is not None else {})
        found = around | mine.keys()
        for link in self._links.between(made, found):
            emitter.link(link, mine | {OWN: OWN}, late=bool(lists))
        emitter.complete(OWN, plan.own)
        if own is not None:
            for link in self._links.of_item(own, found):
                emitter.link(link, mine, late=bool(lists))
        if self._listed is not None and self._claim is not None:
            emitter.mark(self._listed, self._claim)
        inner = "".join(f", {slot.name!r}: (r_{slot.name}, u_{slot.name})" for slot in made)
        calls = []
        for many in lists:
            maker = emitter.constant(self._maker(many, None, None))
            calls.append(f"{maker}.resources({emitter.value(many.path)}, here, env, run)")
        return emitter.compiled(made, f"env = {{**env{inner}}}" if inner and plan.inner else "", calls)


Part = tuple[bool, Made]
"""Whether the event has a value for a resource, and the function that writes it."""


class _Whole:
    """The outermost scope: the event's own place (other JSON), the Bundle, the resources that are there once."""

    def __init__(self, composer: Composer, plan: ScopePlan) -> None:
        self._composer = composer
        self._plan = plan
        self._links = linking(plan, composer.slots)
        self._outward = _outward(plan, composer.slots)
        self._parts: dict[str, Shapes[Part]] = {}
        nodes = {name: node for name, node in plan.nodes.items() if node is not plan.own}
        named = [(OWN, plan.own), *nodes.items()]
        self._bits: dict[tuple[str, ...], int] = {}
        for number, (name, node) in enumerate(named):
            self._parts[name] = composer.known(Shapes(_asked([node], []), self._compiler(name, node)))
            self._note(_paths([node], []), 1 << number)
        for number, many in enumerate(plan.resources, len(named)):
            self._note([many.path], 1 << number)
        self._makers = [ItemMaker(composer, many, None, None) for many in plan.resources]
        self._inner: dict[int, ItemMaker] = {}
        self._noted: dict[str, dict[tuple[str, ...], int]] = {path[0]: {} for path in self._bits}
        self._chosen: dict[int, _Chosen] = {}
        self._ordered: dict[tuple[tuple[str, ...], tuple[ManyPlan, ...]], _Ordered] = {}

    def _note(self, paths: Sequence[Path], bit: int) -> None:
        for path in paths:
            self._bits[path[:2]] = self._bits.get(path[:2], 0) | bit

    def make(self, own: dict[str, Any] | None, document: dict[str, Any], run: Run) -> None:
        """Write the event of a run."""
        item = run.turn.data
        chosen = self._choose(item)
        found = {}
        valued = []
        for name, shapes in chosen.parts:
            (has, function), objects = shapes.find(item)
            if has:
                valued.append(name)
                found[name] = function, objects
        key = (tuple(valued), chosen.lists)
        ordered = self._ordered.get(key)
        if ordered is None:
            ordered = self._ordered[key] = self._order(*key)
        env: dict[str, tuple[dict[str, Any], str]] = {}
        for slot in ordered.made:
            env[slot.name] = run.enter(slot, env[slot.contained][0] if slot.contained else None)
        for name in ordered.names:
            function, objects = found[name] if name in found else self._bare(name, item)
            if name == OWN:
                if own is not None:
                    function(own, objects, env, run)
            else:
                function(document if name == BUNDLE else env[name][0], objects, env, run)
        for many, maker in zip(self._plan.resources, self._makers, strict=True):
            if many in chosen.lists and holds_now(many.when, item):
                maker.resources(value_at(item, many.path), own, env, run)
        for refer, source, target in ordered.links:
            refer(env[source][0] if source != OWN else own, env[target][1])

    def _bare(self, name: str, item: dict[str, Any]) -> tuple[Made, list[dict[str, Any]]]:
        """Return what writes a resource that only references ask for."""
        (_, function), objects = self._parts[name].find(item)
        return function, objects

    def _choose(self, item: dict[str, Any]) -> _Chosen:
        """Return which parts may have a value."""
        mask = 0
        for name, value in item.items():
            noted = self._noted.get(name)
            if noted is None:
                continue
            keys = tuple(value) if value.__class__ is dict else ()
            known = noted.get(keys)
            if known is None:
                if len(noted) > MOST_NOTED:
                    noted.clear()
                known = self._bits.get((name,), 0)
                for key in keys:
                    known |= self._bits.get((name, key), 0)
                noted[keys] = known
            mask |= known
        chosen = self._chosen.get(mask)
        if chosen is None:
            if len(self._chosen) > MOST_NOTED:
                self._chosen.clear()
            there = [mask >> number & 1 for number in range(len(self._parts) + len(self._makers))]
            parts = [part for part, one in zip(self._parts.items(), there, strict=False) if one]
            lists = [
                many for many, one in zip(self._plan.resources, there[len(self._parts) :], strict=True) if one
            ]
            chosen = self._chosen[mask] = _Chosen(tuple(parts), tuple(lists))
        return chosen

    def _order(self, valued: tuple[str, ...], lists: tuple[ManyPlan, ...]) -> _Ordered:
        if len(self._ordered) > MOST_NOTED:
            self._ordered.clear()
        below = [many.slot for many in lists if many.slot is not None]
        made = self._links.needed(valued, below)
        found = {slot.name for slot in made}
        names = [name for name in self._parts if name in found or name in valued]
        links = self._links.between(made, found)
        refers = [(referrer(link.path, link.required), link.source, link.target) for link in links]
        return _Ordered(made, tuple(names), tuple(refers))

    def _compiler(self, name: str, node: Node) -> Callable[[Shape], Part]:
        slot = next((one for one in self._plan.slots if one.name == name), None)

        def compiled(shape: Shape) -> Part:
            self._composer.compiled += 1
            emitter = Emitter(self._composer.name, shape, self._maker)
            try:
                emitter.tree(name, "here", slot)
                emitter.fill(name, node)
                if slot is not None:
                    emitter.complete(name, node)
                _guard(self._outward, emitter, {})
                return emitter.sketch.wants(node), emitter.compiled((), "", ())
            except NotMade:
                return True, _refuse

        return compiled

    def _maker(self, many: ManyPlan, listed: Listed | None, claim: Claim | None) -> ItemMaker:
        found = self._inner.get(id(many))
        if found is None:
            found = self._inner[id(many)] = ItemMaker(self._composer, many, listed, claim)
        return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What may have a value where an event has certain keys: resources, and lists of them."""

    parts: tuple[tuple[str, Shapes[Part]], ...]
    lists: tuple[ManyPlan, ...]


@dataclass(frozen=True, slots=True)
class _Ordered:
    """The resources that are made, what is written in which order, and the references at the end."""

    made: tuple[Slot, ...]
    names: tuple[str, ...]
    links: tuple[tuple[Refer, str, str], ...]


def _listed(values: Any) -> list[Any]:
    """Return the items of an event's list.

    Raises:
        NotMade: it is none, or one of its items is empty.
    """
    if values.__class__ is not list or not values or not all(values):
        raise NotMade
    found: list[Any] = values
    return found


def _asked(nodes: Sequence[Node], lists: Sequence[ManyPlan]) -> Asked:
    """Return what of an event object matters to nodes that take from it."""
    whens: list[When | None] = [many.when for many in lists]
    codes: dict[Path, frozenset[str]] = {}
    paths = _paths(nodes, lists)
    for node in _all(nodes):
        for cell in _cells(node):
            whens += [] if cell.null else [cell.when]
            paths += [cell.yields_to] if cell.yields_to else []
        whens += [many.when for many in (*node.plains.values(), *_manys(node))]
        for one in node.presences:
            whens.append(one.when)
            codes[one.path] = codes.get(one.path, frozenset()) | frozenset(one.leaf.present)
        for _, cell in node.defaults:
            default = cell.leaf.default.get("fhir")
            if default is not None and default.by:
                codes[default.by] = codes.get(default.by, frozenset()) | frozenset(default.codes)
    for when in whens:
        for path, values in when.tests if when is not None else ():
            named = frozenset(value for value in values if value is not None and value != PRESENT_CODE)
            codes[path] = codes.get(path, frozenset()) | named
    return asked(paths, codes)


def _paths(nodes: Sequence[Node], lists: Sequence[ManyPlan]) -> list[Path]:
    paths = [many.path for many in lists]
    for node in _all(nodes):
        paths += [cell.path for cell in _cells(node)]
        paths += [one.path for one in node.presences]
        paths += [many.path for many in (*node.plains.values(), *_manys(node))]
    return paths


def _all(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield nodes and all below them that take from the same event object."""
    for node in {id(one): one for one in nodes}.values():
        yield node
        yield from _all(list(node.objects.values()))
        for listed in node.lists.values():
            yield from _all(list(listed.indexed.values()))
            yield from _all([claim.node for claim in listed.claims if claim.many is None])


def _cells(node: Node) -> list[Cell]:
    return [*node.cells, *(cell for found in node.primitives.values() for cell in found.values())]


def _manys(node: Node) -> Iterator[ManyPlan]:
    for listed in node.lists.values():
        yield from (claim.many for claim in listed.claims if claim.many is not None)


def _outward(plan: ScopePlan, slots: Sequence[Slot]) -> set[tuple[str, str]]:
    """Return (slot, element) into which items of the JSON lists of a scope may write while these are being written."""
    found: set[tuple[str, str]] = set()
    for node in _all([plan.own, *plan.nodes.values()]):
        for many in _manys(node):
            found |= _reach(many, slots)
    return found


def _reach(many: ManyPlan, slots: Sequence[Slot]) -> set[tuple[str, str]]:
    found = linking(many.plan, slots).outward(many.slot)
    for inner in many.plan.inner:
        found |= _reach(inner, slots)
    return found


def _guard(outward: set[tuple[str, str]], emitter: Emitter, other: Mapping[str, str]) -> None:
    """Refuse a shape in which an element would be written by an item of a list below, and anew by the resource."""
    for slot, element in outward:
        if element in emitter.elements(other.get(slot, slot)):
            raise NotMade
