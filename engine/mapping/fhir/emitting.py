"""Generates the functions that make new FHIR (or other JSON) of event objects of one shape.

`f(here, objects, env, run)` writes one event object into `here` and into the resources that it makes: the JSON stands
in its source as it will be, with a name for each value. What comes in another shape gets a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from engine.mapping.fhir import making as fhir_making
from engine.mapping.fhir import primitives as fhir_primitives
from engine.mapping.fhir import writing as fhir_writing
from engine.mapping.fhir.emitting_leaves import LeafCode, usual
from engine.mapping.fhir.giving import marked
from engine.mapping.fhir.linking import OWN, Link
from engine.mapping.fhir.nodes import Cell, Claim, Listed, ManyPlan, Node
from engine.mapping.fhir.references import referrer
from engine.mapping.fhir.referring import point
from engine.mapping.fhir.rendering import rendered
from engine.mapping.fhir.shapes import NotMade, Shape
from engine.mapping.fhir.sketching import Hole, Items, Later, Sketch, Undecided
from engine.mapping.fhir.values import yielded_url
from engine.mapping.rules import Path, Slot
from engine.mapping.writing_code import Code

Made = Callable[[dict[str, Any], Sequence[dict[str, Any]], Mapping[str, Any], Any], None]
"""Takes the place, the objects of the event in the order of the shape, the resources around, and the run."""
_CALLED: Final[tuple[Callable[..., Any], ...]] = (
    marked, fhir_primitives.give_plain, fhir_primitives.give_primitives, fhir_making.put_default,
    fhir_writing.redo, fhir_writing.redo_time, fhir_writing.redo_primitives,
)  # fmt: skip
"""What the generated functions call by name."""
_BESIDE: Final = {
    "bool": ("valueBoolean", "@.__class__ is bool"),
    "int": ("valueInteger", "@.__class__ is int"),
    "ts": ("valueString", "@.__class__ is str and @.isprintable() and @ >= '!'"),
    "text": ("valueString", "@.__class__ is str and @.isprintable() and @ >= '!'"),
}
"""What an extension has of an event's value, by the kind of the leaf, and for which values."""


class Url(Hole):
    """Stands for the address of a resource: two of them are never the same."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None


class Emitter:
    """The source of one function."""

    def __init__(
        self, name: str, shape: Shape, items: Callable[[ManyPlan, Listed | None, Claim | None], Any]
    ) -> None:
        self._name = name
        self._shape = shape
        self._items = items
        self._code = Code(NotMade=NotMade, **{function.__name__: function for function in _CALLED})
        self._leaves = LeafCode(self._code)
        self._values: dict[Path, str] = {}
        self._loads: list[str] = []
        self._after: list[tuple[dict[str, Any], str, Hole | None]] = []
        self._vars: dict[int, str] = {}
        self._trees: dict[str, dict[str, Any]] = {}
        self._refer: list[str] = []
        self.sketch = Sketch(shape, self)

    # ------------------------------------------------------------ what the sketch asks for

    def value(self, path: Path) -> str:
        """Return the name that holds what stands at an event path."""
        known = self._values.get(path)
        if known is None:
            known = self._values[path] = self._code.fresh("v")
            self._loads.append(f"{known} = o{self._shape.places[path[:-1]]}[{path[-1]!r}]")
        return known

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        return self._code.constant(value)

    def cell(self, cell: Cell, tree: dict[str, Any]) -> Hole:
        """Return the hole of a primitive in a tree."""
        value = self.value(cell.path)
        load, raw, test, redo = self._leaves.primitive(cell, value)
        if load:
            self._loads.append(load)
        hole = Hole(raw)
        self._after.append((tree, f"if not ({test}): {redo}", hole))
        return hole

    def yielded(self, cell: Cell, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the extension of a value whose element another leaf has.

        Raises:
            NotMade: its values may be of several types.
        """
        name, test = _BESIDE.get(cell.leaf.kind, ("", ""))
        if cell.leaf.table is not None or not name:
            raise NotMade
        value = self.value(cell.path)
        hole = Hole(value)
        hole.strict = True
        self._after.append((tree, f"if not ({test.replace('@', value)}): pass", hole))
        return {"url": yielded_url(cell), name: hole}

    def primitives(self, cells: Sequence[Cell], tree: dict[str, Any]) -> list[Hole] | None:
        """Return the holes of a list of primitives, None where a general function has to write it."""
        values = [self.value(cell.path) for cell in cells]
        tests = [usual(cell, value) for cell, value in zip(cells, values, strict=True)]
        if None in tests:
            return None
        holes = [Hole(value) for value in values]
        kept = self.constant(dict(enumerate(cells)))
        redo = f"redo_primitives({kept}, @, {cells[0].name!r}, x, turn)"
        self._after.append((tree, f"if not ({' and '.join(map(str, tests))}): {redo}", holes[0]))
        return holes

    def items(self, many: ManyPlan, listed: Listed, claim: Claim) -> Items:
        """Return what stands for the items of a list."""
        return Items(
            f"{self.constant(self._items(many, listed, claim))}.items({self.value(many.path)}, env, run)"
        )

    def after(self, tree: dict[str, Any], call: str) -> None:
        """Call something with the made object when everything stands in it."""
        self._after.append((tree, call, None))

    # ------------------------------------------------------------ resources

    def tree(self, name: str, var: str, slot: Slot | None) -> None:
        """Begin the sketch of an item's place, or of the resource of a slot, that the function has as `var`."""
        made: dict[str, Any] = {} if slot is None else {"resourceType": slot.type}
        self._trees[name] = made
        self._vars[id(made)] = var

    def fill(self, name: str, node: Node) -> None:
        """Sketch what the event's leaves give."""
        self.sketch.node(node, self._trees[name])

    def mark(self, listed: Listed, claim: Claim) -> None:
        """Have the item marked where it would be taken for another rule's."""
        self.sketch.mark(listed, listed.claims.index(claim), self._trees[OWN])

    def complete(self, name: str, node: Node) -> None:
        """Add to a sketched tree what stands in it without a value of the event."""
        self.sketch.complete(node, self._trees[name])

    def link(self, link: Link, mine: Mapping[str, str], *, late: bool) -> None:
        """Have a reference written: into the sketch, or (`late`) when the document is made; `mine` are sketched."""
        var = self._vars.get(id(self._trees.get(mine.get(link.target, "\x00"))), "here")
        url = f"u{var[1:]}" if var != "here" else f"env[{link.target!r}][1]"
        tree = self._trees.get(mine[link.source]) if link.source in mine else None
        if tree is not None and not late:
            try:
                point(tree, link.path, {"reference": Url(url)}, link.required)
            except Undecided:
                pass
            else:
                return
        source = self.var(tree) if tree is not None else f"env[{link.source!r}][0]"
        self._refer.append(f"{self.constant(referrer(link.path, link.required))}({source}, {url})")

    def elements(self, name: str) -> set[str]:
        """Return the elements of a sketched tree."""
        return set(self._trees.get(name, ()))

    def var(self, tree: dict[str, Any]) -> str:
        """Return the name of an object that is made."""
        known = self._vars.get(id(tree))
        if known is None:
            known = self._vars[id(tree)] = self._code.fresh("d")
        return known

    # ------------------------------------------------------------ the function

    def compiled(self, made: Sequence[Slot], around: str, resources: Sequence[str]) -> Made:
        """Return the function; `around` adds to the resources around, `resources` makes those of lists."""
        code = self._code
        after = [self._later(*one) for one in self._after]
        with code.block("def f(here, objects, env, run):"):
            names = [f"o{at}" for at in range(len(self._shape.places))]
            code.line(f"{', '.join(names)}, = objects")
            code.line("x = o0; turn = run.turn")
            for load in self._loads:
                code.line(load)
            for slot in made:
                owner = f"r_{slot.contained}" if slot.contained in self._trees else None
                owner = owner or f"env.get({slot.contained!r}, (None,))[0]" if slot.contained else "None"
                code.line(f"r_{slot.name}, u_{slot.name} = run.enter({code.constant(slot)}, {owner})")
            if around:
                code.line(around)
            for tree in self._trees.values():
                var = self._vars[id(tree)]
                for key, value in tree.items():
                    if key != "resourceType" and not isinstance(value, Later):
                        code.line(f"{var}[{key!r}] = {rendered(value, self._vars, self.constant)}")
            for line in (*after, *resources, *self._refer):
                code.line(line)
        found: Made = code.compiled(self._name)("f")
        return found

    def _later(self, tree: dict[str, Any], call: str, hole: Hole | None) -> str:
        if hole is not None and hole.strict:
            test, _, _ = call.partition("): ")
            return f"{test}): raise NotMade"
        return call.replace("@", self.var(tree))
