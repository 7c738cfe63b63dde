"""Generates the functions that make new FHIR (or other JSON) of an event: one for each of its objects with places.

`s3(own, x, known, resources, turn)` writes the event object `x` into its place `own` and into resources that it makes.
Everything that is there already is another matter: `engine.mapping.fhir_giving` writes into a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from engine.mapping import fhir_giving, fhir_making, fhir_primitives, fhir_writing
from engine.mapping.fhir_bundle import Instances, Resources
from engine.mapping.fhir_emitting_leaves import LeafCode, constant_tree
from engine.mapping.fhir_linking import linking
from engine.mapping.fhir_plan import BUNDLE, Listed, ManyPlan, Node, ScopePlan
from engine.mapping.fhir_values import Turn, give_cell
from engine.mapping.rules import Path, Selector, Slot, When
from engine.mapping.v2_cells import ABSENT
from engine.mapping.writing_code import Code

Maker = Callable[[Any, dict[str, Any], Instances, Resources, Turn], None]
_CALLED: Final[tuple[Callable[..., Any], ...]] = (
    fhir_giving.give_node, fhir_giving.give_object, fhir_giving.give_list, fhir_giving.even, fhir_giving.marked,
    fhir_primitives.give_plain, fhir_primitives.give_primitives, fhir_primitives.give_presence,
    fhir_making.put_constants, fhir_making.put_default, fhir_making.put_absence, fhir_writing.put_time,
    fhir_writing.put_day, fhir_writing.items, fhir_writing.empty_item, fhir_writing.filler, give_cell,
)  # fmt: skip
"""What the generated functions call by name."""


def fhir_maker(name: str, plan: ScopePlan, slots: Sequence[Slot]) -> Maker:
    """Generate and compile what makes a mapper's FHIR."""
    code = Code(A=ABSENT, E=fhir_writing.NOTHING)
    for function in _CALLED:
        code.names[function.__name__] = function
    top = _Emitter(code, slots).scope(plan)
    made: Maker = code.compiled(name)(top)
    return made


class _Emitter:
    def __init__(self, code: Code, slots: Sequence[Slot]) -> None:
        self._code = code
        self._slots = slots

    def scope(self, plan: ScopePlan) -> str:
        """Generate the function of one event object, after those of the lists in it; return its name."""
        return _ScopeEmitter(self._code, self._slots, plan, self.scope).emit()


class _ScopeEmitter:
    """One function: `_vars` are the names that hold the objects of the event, by their paths."""

    def __init__(
        self, code: Code, slots: Sequence[Slot], plan: ScopePlan, inner: Callable[[ScopePlan], str]
    ) -> None:
        self._code = code
        self._slots = slots
        self._plan = plan
        self._vars: dict[Path, str] = {(): "x"}
        self._whens: dict[When, str] = {}
        self._leaves = LeafCode(code, self.value)
        self._makers: dict[int, str] = {}
        for many in _lists_of([plan.own, *plan.nodes.values()]):
            self._makers.setdefault(id(many), inner(many.plan))
        for many in plan.resources:
            self._makers[id(many)] = inner(many.plan)

    def emit(self) -> str:
        code, plan = self._code, self._plan
        name = code.fresh("s")
        with code.block(f"def {name}(own, x, known, res, turn):"):
            code.line("if x.__class__ is not dict: x = E")
            self._objects()
            if not plan.slots and not plan.resources and not plan.nodes:
                code.line("inst = known")
                self._node(plan.own, "own", frozenset())
                code.line("return")
                return name
            self._resources()
        return name

    def _resources(self) -> None:
        code, plan = self._code, self._plan
        link = code.constant(linking(plan, self._slots))
        code.line("inst = dict(known)")
        if BUNDLE in plan.nodes:
            code.line(f"if res.is_bundle: inst[{BUNDLE!r}] = res.document")
        code.line("need = below = 0")
        for at, slot in enumerate(plan.slots):
            self._wanted(plan.nodes[slot.name], 1 << at)
        for at, many in enumerate(one for one in plan.resources if one.slot is not None):
            code.line(f"if {self.value(many.path)} not in (A, []): below |= {1 << at}")
        code.line(f"new = {link}.make(need, below, inst, res)")
        with code.block("if own is not None:"):
            self._node(plan.own, "own", self._busy(plan.own))
        for name, node in plan.nodes.items():
            if node is not plan.own:
                here = code.fresh("d")
                code.line(f"{here} = inst.get({name!r})")
                with code.block(f"if {here} is not None:"):
                    if name == BUNDLE:
                        code.line(f"give_node({code.constant(node)}, {here}, x, inst, res, turn)")
                    else:
                        self._node(node, here, self._busy(node))
        with code.block("for slot in new:"):
            for slot in plan.slots:
                with code.block(f"if slot is {code.constant(slot)}:"):
                    self._complete(plan.nodes[slot.name], f"inst[{slot.name!r}]")
        for many in plan.resources:
            self._items_as_resources(many, link)
        code.line(f"{link}.refer(new, inst, own, res)")

    def _busy(self, node: Node) -> frozenset[str]:
        """Return the elements of a resource that may be there before its leaves are: ids, references to others."""
        names = {"resourceType", "id", "contained"}
        for slot in self._slots:
            names |= {str(path[0]) for path, _, _ in slot.refs}
            names |= {str(step) for step in (*slot.link[:2], *slot.link_from[:1])}
        return frozenset(names)

    # ------------------------------------------------------------ the event

    def value(self, path: Path) -> str:
        """Return the expression for what stands at an event path, `A` for nothing."""
        return f"{self._vars[path[:-1]]}.get({path[-1]!r}, A)" if path else "x"

    def _objects(self) -> None:
        """Load the objects of the event that hold something that is asked for."""
        paths = {path[:at] for path in self._paths() for at in range(1, len(path))}
        for path in sorted(paths):
            self._vars[path] = self._code.fresh("x")
        self._load((), sorted(paths))
        for when in self._asked():
            if when not in self._whens:
                self._whens[when] = self._code.fresh("c")
                tests = " and ".join(self._test(path, values) for path, values in when.tests)
                self._code.line(f"{self._whens[when]} = {tests or True}")

    def _load(self, at: Path, paths: Sequence[Path]) -> None:
        code = self._code
        for path in paths:
            if path[:-1] != at:
                continue
            var = self._vars[path]
            below = [one for one in paths if len(one) > len(path) and one[: len(path)] == path]
            code.line(f"{var} = {self._vars[at]}.get({path[-1]!r})")
            if not below:
                code.line(f"if {var}.__class__ is not dict: {var} = E")
                continue
            with code.block(f"if {var}.__class__ is dict:"):
                self._load(path, below)
            code.line(f"else: {' = '.join([var, *(self._vars[one] for one in below)])} = E")

    def _test(self, path: Path, values: Any) -> str:
        found = f"{self._vars[path[:-1]]}.get({path[-1]!r})"
        if "present" in values:
            return f"({found} is not None)"
        name = self._code.fresh("t")
        return f"((({name} := {found}) is None or {name}.__class__ is str) and {name} in {self._code.constant(values)})"

    def _paths(self) -> Iterator[Path]:
        for node in self._nodes():
            yield from _own_paths(node)
        for many in self._plan.resources:
            yield many.path
        for when in self._asked():
            yield from (path for path, _ in when.tests)

    def _nodes(self) -> Iterator[Node]:
        for node in {id(one): one for one in [self._plan.own, *self._plan.nodes.values()]}.values():
            yield from _below(node)

    def _asked(self) -> Iterator[When]:
        for node in self._nodes():
            yield from _whens(node)
        yield from (many.when for many in self._plan.resources if many.when is not None)

    def _wanted(self, node: Node, bit: int) -> None:
        """Note whether a resource has a value."""
        code = self._code
        plain: dict[Path, list[str]] = {}
        tests: list[str] = []
        for one in _below(node):
            cells = [*one.cells, *(cell for found in one.primitives.values() for cell in found.values())]
            for cell in cells:
                if cell.rank and not cell.also:
                    continue
                if cell.when is None:
                    plain.setdefault(cell.path[:-1], []).append(cell.path[-1])
                else:
                    tests.append(
                        f"({self._whens[cell.when]} and {cell.path[-1]!r} in {self._vars[cell.path[:-1]]})"
                    )
            for _, path in one.presences:
                plain.setdefault(path[:-1], []).append(path[-1])
            manys = [*one.plains.values(), *_manys(one)]
            tests += [f"{self.value(many.path)} not in (A, [])" for many in manys]
        for path, names in plain.items():
            var = self._vars[path]
            found = " or ".join(f"{name!r} in {var}" for name in dict.fromkeys(names))
            tests.insert(0, f"({var} and ({found}))" if path else f"({found})")
        if tests:
            code.line(f"if {' or '.join(tests)}: need |= {bit}")

    # ------------------------------------------------------------ objects

    def _node(self, node: Node, here: str, busy: frozenset[str]) -> None:
        """Write the leaves of a JSON object, in the order in which `give_node` does."""
        code = self._code
        for cell in node.cells:
            if cell.rank and not cell.also:
                continue
            condition = self._whens.get(cell.when) if cell.when else None
            self._leaves.cell(cell, here, condition, busy=cell.name in busy)
        for name, cells in node.primitives.items():
            free = name not in busy and not any(cell.when for cell in cells.values())
            self._leaves.primitives(name, cells, here, free=free)
        for name, inner in node.objects.items():
            self._object(name, inner, here, busy)
        for name, listed in node.lists.items():
            self._list(node, name, listed, here, busy)
        for name in node.lists:
            if name.startswith("_"):
                code.line(f"even({here}, {name!r})")
        for name, many in node.plains.items():
            with ExitStack() as stack:
                self._when(many.when, stack)
                stack.enter_context(code.block(f"if {self.value(many.path)} is not A:"))
                code.line(f"give_plain({code.constant(many)}, {here}, {name!r}, x, turn)")
        for leaf, path in node.presences:
            with code.block(f"if {self.value(path)} is not A:"):
                code.line(f"give_presence({code.constant(leaf)}, {code.constant(path)}, {here}, x)")

    def _when(self, when: When | None, stack: ExitStack) -> None:
        if when is not None:
            stack.enter_context(self._code.block(f"if {self._whens[when]}:"))

    def _gate(self, node: Node, stack: ExitStack) -> None:
        """Begin a block that is entered only if an object of the event is there that the node takes from."""
        prefixes = {path[:-1] for one in _below(node) for path in _own_paths(one)}
        least = {one for one in prefixes if not any(one != up and one[: len(up)] == up for up in prefixes)}
        if least and () not in least and len(least) < 5:
            gate = " or ".join(self._vars[path] for path in sorted(least))
            stack.enter_context(self._code.block(f"if {gate}:"))

    def _object(self, name: str, inner: Node, here: str, busy: frozenset[str]) -> None:
        code = self._code
        with ExitStack() as stack:
            self._gate(inner, stack)
            if name.startswith("_") or name in busy:
                with code.block(f"if {name!r} in {here}:"):
                    code.line(f"give_object({code.constant(inner)}, {here}, {name!r}, x, inst, res, turn)")
                stack.enter_context(code.block("else:"))
            made = code.fresh("d")
            code.line(f"{made} = {{}}")
            self._node(inner, made, frozenset())
            with code.block(f"if {made}:"):
                self._complete(inner, made)
                code.line(f"{here}[{name!r}] = {made}")

    def _list(self, node: Node, name: str, listed: Listed, here: str, busy: frozenset[str]) -> None:
        code = self._code
        with ExitStack() as stack:
            self._gate(Node(lists={name: listed}), stack)
            call = f"give_list({code.constant(listed)}, {here}, {name!r}, x, inst, res, turn)"
            if listed.indexed and listed.claims:
                code.line(call)
                return
            if name.startswith("_") or name == "extension" or name in busy:
                with code.block(f"if {name!r} in {here}:"):
                    code.line(call)
                stack.enter_context(code.block("else:"))
            made = code.fresh("l")
            code.line(f"{made} = []")
            for at in sorted(listed.indexed):
                self._one(listed.indexed[at], made, at, None)
            for number, claim in enumerate(listed.claims):
                mark = _mark_call(code, listed, number)
                if claim.many is None:
                    self._one(claim.node, made, 0, mark)
                else:
                    self._items(claim.many, made, mark)
            code.line(f"if {made}: {here}[{name!r}] = {made}")

    def _one(self, node: Node, items: str, at: int, mark: str | None) -> None:
        code = self._code
        with ExitStack() as stack:
            self._gate(node, stack)
            made = code.fresh("d")
            code.line(f"{made} = {{}}")
            self._node(node, made, frozenset())
            with code.block(f"if {made}:"):
                if at:
                    code.line(f"while len({items}) < {at}: {items}.append(filler())")
                self._complete(node, made)
                if mark:
                    code.line(mark.replace("@", made))
                code.line(f"{items}.append({made})")

    def _items(self, many: ManyPlan, items: str, mark: str | None) -> None:
        code = self._code
        with ExitStack() as stack:
            self._when(many.when, stack)
            value = code.fresh("y")
            with code.block(f"for {value} in items({self.value(many.path)}):"):
                made = code.fresh("d")
                code.line(f"if {value} == E: raise empty_item()")
                code.line(f"{made} = {{}}")
                code.line(f"{self._makers[id(many)]}({made}, {value}, inst, res, turn)")
                self._complete(many.plan.own, made, value)
                if mark:
                    code.line(mark.replace("@", made))
                code.line(f"{items}.append({made})")

    def _items_as_resources(self, many: ManyPlan, link: str) -> None:
        code, slot = self._code, many.slot
        if slot is None:
            return
        with ExitStack() as stack:
            self._when(many.when, stack)
            value = code.fresh("y")
            with code.block(f"for {value} in items({self.value(many.path)}):"):
                made, around, kept = code.fresh("d"), code.fresh("i"), code.constant(slot)
                code.line(f"if {value} == E: raise empty_item()")
                code.line(f"{made} = res.make({kept}, inst.get({slot.contained!r}))")
                code.line(f"{around} = {{**inst, {slot.name!r}: {made}}}")
                code.line(f"{self._makers[id(many)]}({made}, {value}, {around}, res, turn)")
                self._complete(many.plan.own, made, value)
                code.line(f"{link}.refer_item({kept}, {around}, own, res)")

    def _complete(self, node: Node, here: str, item: str = "x") -> None:
        """Write constants and defaults of an object that was made."""
        code = self._code
        groups: dict[str, list[Any]] = {}
        for path, value in node.constants:
            groups.setdefault(str(path[0]), []).append((path, value))
        for name, constants in groups.items():
            tree = constant_tree(code, constants)
            code.line(f"if {name!r} not in {here}: {here}[{name!r}] = {tree}")
            if any(len(path) > 1 for path, _ in constants):
                code.line(f"else: put_constants({code.constant(constants)}, {here})")
        for default in node.defaults:
            code.line(f"put_default({code.constant(default)}, {here}, {item}, turn)")
        for required in node.required:
            if not self._always(node, required.names):
                there = " or ".join(
                    f"{one!r} in {here}" for name in required.names for one in (name, f"_{name}")
                )
                code.line(f"if not ({there}): put_absence({here}, {code.constant(required)})")

    def _always(self, node: Node, names: Sequence[str]) -> bool:
        """Say whether a constant makes sure that an element is there."""
        return any(path[0] in names for path, _ in node.constants)


def _below(node: Node) -> Iterator[Node]:
    """Yield a node and all that take from the same event object."""
    yield node
    for inner in node.objects.values():
        yield from _below(inner)
    for listed in node.lists.values():
        for inner in listed.indexed.values():
            yield from _below(inner)
        for claim in listed.claims:
            if claim.many is None:
                yield from _below(claim.node)


def _manys(node: Node) -> Iterator[ManyPlan]:
    for listed in node.lists.values():
        yield from (claim.many for claim in listed.claims if claim.many is not None)


def _lists_of(nodes: Sequence[Node]) -> Iterator[ManyPlan]:
    for node in nodes:
        for one in _below(node):
            yield from _manys(one)


def _own_paths(node: Node) -> Iterator[Path]:
    yield from (cell.path for cell in node.cells)
    yield from (cell.path for found in node.primitives.values() for cell in found.values())
    yield from (path for _, path in node.presences)
    yield from (many.path for many in (*node.plains.values(), *_manys(node)))


def _whens(node: Node) -> Iterator[When]:
    cells = [*node.cells, *(cell for found in node.primitives.values() for cell in found.values())]
    whens = [cell.when for cell in cells]
    whens += [many.when for many in (*node.plains.values(), *_manys(node))]
    yield from (when for when in whens if when is not None)


def _mark_call(code: Code, listed: Listed, number: int) -> str | None:
    """Return the call that marks an item which would be taken for another rule's, None where none can be."""
    claim = listed.claims[number]
    node = claim.node
    fixed = {path: value for path, value in node.constants if not _is_written(node, path[0])}
    if claim.selector is not None and any(
        fixed.get(path) != text for path, text in claim.selector.conditions
    ):
        return f"marked({code.constant(listed)}, {number}, {code.constant(claim)}, @)"
    for other in listed.claims[:number]:
        if other.selector is None or not _excluded(other.selector, node, fixed):
            return f"marked({code.constant(listed)}, {number}, {code.constant(claim)}, @)"
    return None


def _excluded(selector: Selector, node: Node, fixed: dict[Any, Any]) -> bool:
    """Say whether an item of a node never meets a selector."""
    known = {path[0] for path, _ in node.constants}
    for path, text in selector.conditions:
        if path in fixed and fixed[path] != text and isinstance(fixed[path], str):
            return True
        if path[0] not in known and not _is_written(node, path[0]):
            return True
    return False


def _is_written(node: Node, name: Any) -> bool:
    """Say whether rules write an element of an object."""
    return (
        name in node.objects
        or name in node.lists
        or name in node.primitives
        or name in node.plains
        or any(cell.name == name for cell in node.cells)
        or any(path[0] == name for path, _ in node.defaults)
    )
