"""Generates the functions that read FHIR (or other JSON) into an event: one for each set of keys of an object.

`f(here, x, inst, res, turn)` reads what an object has into the event object `x` and leaves holes. Only what is there
is looked at; what is unusual (a value with something beside it, a choice by another leaf) is for the general
functions of `engine.mapping.fhir.taking`, which these call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from engine.mapping.fhir import taking as fhir_taking
from engine.mapping.fhir.bundle import Instances, Resources
from engine.mapping.fhir.emitting_leaves import usual
from engine.mapping.fhir.nodes import Cell, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir.quickly import fresh, quick_raw, quick_said
from engine.mapping.fhir.sorting import sorter
from engine.mapping.fhir.values import Turn, holds_now, put_value, take_cell
from engine.mapping.rules import PRESENT_CODE, Leaf, Path, When
from engine.mapping.writing_code import Code

Read = Callable[[dict[str, Any], dict[str, Any], Instances, Resources, Turn], None]
MOST_COMPILED: Final = 4_000
"""How many functions a mapper keeps before it begins anew."""
_CALLED: Final[tuple[Callable[..., Any], ...]] = (
    take_cell, fhir_taking.take_primitive, fhir_taking.take_plain, fhir_taking.said_presence, fresh, put_value,
)  # fmt: skip
"""What the generated functions call by name."""


class Reader:
    """Reads a mapper's documents, with what was compiled for the objects that came."""

    def __init__(self, name: str, plan: ScopePlan) -> None:
        self.name = name
        self.compiled = 0
        self._tables: list[dict[tuple[str, ...], Read]] = []
        self._scopes: dict[int, _Scope] = {}
        self._nodes: dict[tuple[int, int], NodeReader] = {}
        self._plan = plan

    def take(
        self, own: dict[str, Any] | None, item: dict[str, Any], resources: Resources, turn: Turn
    ) -> None:
        """Read a whole document."""
        if self.compiled > MOST_COMPILED:
            self.compiled = 0
            for table in self._tables:
                table.clear()
        self.scope(self._plan).take(own, {}, item, resources, turn)

    def scope(self, plan: ScopePlan) -> _Scope:
        """Return what reads one event object."""
        found = self._scopes.get(id(plan))
        if found is None:
            found = self._scopes[id(plan)] = _Scope(self, plan)
        return found

    def node(self, node: Node, depth: int) -> NodeReader:
        """Return what reads a JSON object in one pass."""
        found = self._nodes.get((id(node), depth))
        if found is None:
            found = self._nodes[id(node), depth] = NodeReader(self, node, depth)
            self._tables.append(found.table)
        return found


class _Scope:
    """Reads one event object: from its own place, from the resources of its slots, from lists of resources."""

    def __init__(self, reader: Reader, plan: ScopePlan) -> None:
        self._plan = plan
        self._reader = reader
        self._looks = bool(plan.slots) or any(node is not plan.own for node in plan.nodes.values())
        self._passes: list[tuple[NodeReader | None, list[tuple[str, NodeReader]], list[ManyPlan]]] = []
        for depth in range(plan.passes):
            own = reader.node(plan.own, depth) if depth in depths(plan.own) else None
            nodes = [
                (name, reader.node(node, depth))
                for name, node in plan.nodes.items()
                if node is not plan.own and depth in depths(node)
            ]
            lists = [many for many in plan.resources if many.depth == depth]
            self._passes.append((own, nodes, lists))

    def take(
        self, own: Any, known: Instances, item: dict[str, Any], resources: Resources, turn: Turn
    ) -> None:
        """Read one event object."""
        around = resources.instances(self._plan, own, known) if self._looks else known
        for mine, nodes, lists in self._passes:
            if mine is not None and own.__class__ is dict:
                mine.find(own)(own, item, around, resources, turn)
            for name, node in nodes:
                here = around.get(name)
                if here is not None:
                    node.find(here)(here, item, around, resources, turn)
            for many in lists:
                if holds_now(many.when, item):
                    self._take_resources(many, own, around, item, resources, turn)

    def _take_resources(
        self,
        many: ManyPlan,
        own: Any,
        known: Instances,
        item: dict[str, Any],
        resources: Resources,
        turn: Turn,
    ) -> None:
        found = []
        scope = self._reader.scope(many.plan)
        for resource in resources.items(many, own, known):
            inner: dict[str, Any] = {}
            around = {**known, many.slot.name: resource} if many.slot else known
            scope.take(resource, around, inner, resources, turn)
            if inner:
                found.append(inner)
        if found:
            put_value(item, many.path, found)


class NodeReader:
    """Reads a JSON object in one pass, by its keys."""

    def __init__(self, reader: Reader, node: Node, depth: int) -> None:
        self.table: dict[tuple[str, ...], Read] = {}
        self._reader = reader
        self._node = node
        self._depth = depth

    def find(self, here: dict[str, Any]) -> Read:
        """Return the function for an object."""
        keys = tuple(here)
        return self.table.get(keys) or self.extend(keys)

    def extend(self, keys: tuple[str, ...]) -> Read:
        """Compile the function for a set of keys."""
        self._reader.compiled += 1
        found = self.table[keys] = _Writer(self._reader, self._node, self._depth, frozenset(keys)).compiled()
        return found


class ListReader:
    """Reads a JSON list in one pass: items by index, and those that claims take."""

    def __init__(self, reader: Reader, listed: Listed, depth: int) -> None:
        self._reader = reader
        self._indexed = [
            (at, reader.node(node, depth)) for at, node in listed.indexed.items() if depth in depths(node)
        ]
        self._sort = sorter(listed) if listed.claims else None
        self._ones: dict[int, NodeReader] = {}
        self._manys: dict[int, ManyPlan] = {}
        for number, claim in enumerate(listed.claims):
            if claim.many is not None:
                if claim.many.depth == depth:
                    self._manys[number] = claim.many
            elif depth in depths(claim.node):
                self._ones[number] = reader.node(claim.node, depth)

    def take(
        self, here: list[Any], item: dict[str, Any], around: Instances, resources: Resources, turn: Turn
    ) -> None:
        """Read the items of a list."""
        for at, node in self._indexed:
            if at < len(here) and here[at].__class__ is dict:
                node.find(here[at])(here[at], item, around, resources, turn)
        if self._sort is None:
            return
        sort = self._sort
        mine: dict[int, list[dict[str, Any]]] = {}
        for one in here:
            if one.__class__ is dict:
                mine.setdefault(sort(one), []).append(one)
        for number in sorted(mine):
            if number in self._ones:
                first = mine[number][0]
                self._ones[number].find(first)(first, item, around, resources, turn)
            elif number in self._manys:
                self._take_items(self._manys[number], mine[number], item, around, resources, turn)

    def _take_items(
        self,
        many: ManyPlan,
        mine: Sequence[dict[str, Any]],
        item: dict[str, Any],
        around: Instances,
        resources: Resources,
        turn: Turn,
    ) -> None:
        if not holds_now(many.when, item):
            return
        found = []
        scope = self._reader.scope(many.plan)
        for one in mine:
            inner: dict[str, Any] = {}
            scope.take(one, around, inner, resources, turn)
            if inner:
                found.append(inner)
        if found:
            put_value(item, many.path, found)


class _Writer:
    """The source of one function."""

    def __init__(self, reader: Reader, node: Node, depth: int, keys: frozenset[str]) -> None:
        self._reader = reader
        self._node = node
        self._depth = depth
        self._keys = keys
        self._code = Code(**{function.__name__: function for function in _CALLED})

    def compiled(self) -> Read:
        code, node, keys = self._code, self._node, self._keys
        with code.block("def f(here, x, inst, res, turn):"):
            code.line("hole = turn.hole")
            self._presences()
            for cell in node.cells:
                if cell.depth == self._depth:
                    self._cell(cell)
            for name, cells in node.primitives.items():
                for at, cell in cells.items():
                    if cell.depth == self._depth and {name, f"_{name}"} & keys:
                        self._when(cell.when, self._primitive, cell, name, at)
            for name, inner in node.objects.items():
                if name in keys and self._depth in depths(inner):
                    self._inner(name, code.constant(self._reader.node(inner, self._depth)))
            for name, listed in node.listed():
                if name in keys and self._depth in list_depths(listed):
                    read = code.constant(ListReader(self._reader, listed, self._depth))
                    code.line(f"c = here.get({name!r})")  # what stands beside a primitive may be gone by now
                    code.line(f"if c.__class__ is list: {read}.take(c, x, inst, res, turn)")
            for name, many in node.plains.items():
                if many.depth == self._depth and name in keys:
                    self._when(many.when, self._plain, name, many)
        found: Read = code.compiled(self._reader.name)("f")
        return found

    def _inner(self, name: str, read: str) -> None:
        code = self._code
        code.line(f"c = here.get({name!r})")
        with code.block("if c.__class__ is dict:"):
            code.line("k = tuple(c)")
            code.line(f"({read}.table.get(k) or {read}.extend(k))(c, x, inst, res, turn)")

    def _presences(self) -> None:
        for one in self._node.presences:
            if one.depth == self._depth:
                self._when(one.when, self._presence, one.leaf, one.path)

    def _presence(self, leaf: Leaf, path: Path) -> None:
        guess = next(
            (
                code
                for code, names in leaf.present.items()
                if any({name, f"_{name}"} & self._keys for name in names)
            ),
            None,
        )
        if "extension" in self._keys:
            self._code.names["NULL"] = fhir_taking.NULL_CODE
            self._code.line(f"v = said_presence({self._code.constant(leaf)}, here) or {guess!r}")
            self._code.line(f"if v is not None: {self._put(path, 'None if v == NULL else v')}")
        elif guess is not None:
            self._code.line(self._put(path, repr(guess)))
        else:
            self._code.line("pass")

    def _put(self, path: Path, value: str) -> str:
        objects = "".join(f".setdefault({key!r}, {{}})" for key in path[:-1])
        return f"x{objects}[{path[-1]!r}] = {value}"

    def _when(self, when: When | None, write: Callable[..., None], *given: Any) -> None:
        """Have lines written that count only where a condition holds."""
        if when is None:
            write(*given)
            return
        with self._code.block(f"if {' and '.join(self._test(path, values) for path, values in when.tests)}:"):
            write(*given)

    def _test(self, path: Path, values: frozenset[str | None]) -> str:
        found = "x" + "".join(f".get({key!r}, NO)" for key in path[:-1]) + f".get({path[-1]!r})"
        self._code.names["NO"] = _NOTHING
        if PRESENT_CODE in values:
            return f"{found} is not None"
        if values == {None}:  # what is asked may be a list
            return f"{found} is None"
        return f"{found} in {self._code.constant(values)}"

    def _cell(self, cell: Cell) -> None:
        if {cell.name, f"_{cell.name}"} & self._keys or (cell.yields_to and "extension" in self._keys):
            self._when(cell.when, self._read, cell)

    def _read(self, cell: Cell) -> None:
        code = self._code
        kept = code.constant(cell)
        general = f"take_cell({kept}, here, x, turn)"
        default = cell.leaf.default.get("fhir")
        there, beside = cell.name in self._keys, f"_{cell.name}" in self._keys
        if not there or cell.shared or cell.yields_to or (default is not None and default.by):
            code.line(general)
            return
        text = default.text if default is not None else ""
        if beside:
            self._said(cell, general, plain=not text)
            return
        code.line(f"r = here[{cell.name!r}]")
        test = usual(cell, "r")
        if test is not None:
            code.line(f"if {test}{f' and r != {text!r}' if text else ''}:")
            self._found(cell, "r", "" if cell.pinned else "True")
        else:
            code.line(f"v = {code.constant(quick_raw(cell, text))}(r) if r.__class__ in PLAIN else None")
            code.names["PLAIN"] = _PLAIN
            code.line("if v is not None:")
            self._found(cell, "v[0]", "" if cell.pinned else "v[1]")
        code.line(f"else: {general}")

    def _found(self, cell: Cell, value: str, is_hole: str) -> None:
        """Write what is done with a value that was read: below the `if` that was just written."""
        code = self._code
        put = self._put(cell.path, value)
        hole = f"here[{cell.name!r}] = hole"
        if cell.alternates > 1:
            tests = [f"fresh(x, {code.constant(cell.path)}, {value})", *([is_hole] if is_hole else [])]
            code.line(f"    if {' and '.join(tests)}: {hole if is_hole else 'pass'}")
            return
        code.line(f"    {put}")
        if is_hole:
            code.line(f"    {hole}" if is_hole == "True" else f"    if {is_hole}: {hole}")

    def _said(self, cell: Cell, general: str, *, plain: bool) -> None:
        """Read a moment that has the event's own beside it."""
        code = self._code
        if not plain or not cell.kind.zoned or cell.alternates > 1 or cell.pinned:
            code.line(general)
            return
        code.line(
            f"v = {code.constant(quick_said(cell))}(here[{cell.name!r}], here.get({f'_{cell.name}'!r}), turn.zone)"
        )
        with code.block("if v is not None:"):
            code.line(self._put(cell.path, "v"))
            code.line(f"here[{cell.name!r}] = hole")
            code.line(f"del here[{f'_{cell.name}'!r}]")
        code.line(f"else: {general}")

    def _primitive(self, cell: Cell, name: str, at: int) -> None:
        code = self._code
        general = f"take_primitive({code.constant(cell)}, here, {name!r}, {at}, x, turn)"
        test = usual(cell, "r")
        if f"_{name}" in self._keys or test is None:
            code.line(general)
            return
        code.line(f"c = here[{name!r}]")
        with code.block(f"if c.__class__ is list and len(c) > {at}:"):
            code.line(f"r = c[{at}]")
            objects = "".join(f".setdefault({key!r}, {{}})" for key in cell.path[:-1])
            with code.block(f"if {test}:"):
                code.line(f"x{objects}.setdefault({cell.path[-1]!r}, r)")
                if not cell.pinned:
                    code.line(f"c[{at}] = hole")
            code.line(f"else: {general}")
        code.line(f"else: {general}")

    def _plain(self, name: str, many: ManyPlan) -> None:
        self._code.line(
            f"if here[{name!r}].__class__ is list: take_plain({self._code.constant(many)}, here, {name!r}, x, turn)"
        )


_NOTHING: Final[Mapping[str, Any]] = {}
_PLAIN: Final = frozenset({str, int, bool})


def depths(node: Node) -> frozenset[int]:
    """Return the passes in which something of an object is read."""
    found = {cell.depth for cell in node.cells} | {one.depth for one in node.presences}
    found |= {cell.depth for cells in node.primitives.values() for cell in cells.values()}
    found |= {many.depth for many in node.plains.values()}
    for inner in node.objects.values():
        found |= depths(inner)
    for listed in node.lists.values():
        found |= list_depths(listed)
    return frozenset(found)


def list_depths(listed: Listed) -> frozenset[int]:
    """Return the passes in which something of a list is read."""
    found: set[int] = set()
    for node in listed.indexed.values():
        found |= depths(node)
    for claim in listed.claims:
        found |= depths(claim.node) if claim.many is None else {claim.many.depth}
    return frozenset(found)
