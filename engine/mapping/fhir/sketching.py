"""Sketches the JSON that is made of an event of one shape: what is known of the shape stands there, values are holes.

The tree is real JSON otherwise: the functions that write constants, defaults, references and what R4 must have into a
document write into it, too. Where one of them would have to look into a hole, the question is left to the moment when
the document is made, or the shape is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from engine.mapping.fhir.giving import even, has_values
from engine.mapping.fhir.making import put_constants, put_default, require
from engine.mapping.fhir.nodes import Cell, Claim, Listed, ManyPlan, Node
from engine.mapping.fhir.shapes import ANOTHER, ODD, NotMade, Shape
from engine.mapping.fhir.taking import NULL_CODE, class_of, inferred, presence_url
from engine.mapping.fhir.values import json_at, put_value
from engine.mapping.fhir.writing import filler
from engine.mapping.rules import PRESENT_CODE, Leaf, Path, Selector, When

_SOME: Final = object()
"""Stands in the skeleton of an event for a value that is there."""


class Undecided(Exception):
    """A hole was asked for what it holds."""


class Hole:
    """Stands for a value that only the event says: `text` is the expression for it.

    A `strict` one must be as usual: something else was left out because it stands there.
    """

    __slots__ = ("strict", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.strict = False

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        raise Undecided

    __hash__ = None  # type: ignore[assignment]  # as a key it would be asked whether it is another one


class Items(Hole):
    """Stands in a list for any number of items, at least one."""

    __slots__ = ()


class Later(Hole):
    """Stands for an element that a general function writes when the rest is there."""

    __slots__ = ()


class Pen(Protocol):
    """What writes the lines of a compiled function beside the tree."""

    def value(self, path: Path) -> str:
        """Return the name that holds what stands at an event path."""
        ...

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        ...

    def cell(self, cell: Cell, tree: dict[str, Any]) -> Hole:
        """Return the hole of a primitive in a tree."""
        ...

    def primitives(self, cells: Sequence[Cell], tree: dict[str, Any]) -> list[Hole] | None:
        """Return the holes of a list of primitives, None where a general function has to write it."""
        ...

    def yielded(self, cell: Cell, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the extension of a value whose element another leaf has."""
        ...

    def items(self, many: ManyPlan, listed: Listed, claim: Claim) -> Items:
        """Return what stands for the items of a list."""
        ...

    def after(self, tree: dict[str, Any], call: str) -> None:
        """Call something with the made object (`@`) when everything stands in it."""
        ...


class Sketch:
    """The trees of one shape."""

    def __init__(self, shape: Shape, pen: Pen) -> None:
        self._shape = shape
        self._pen = pen
        self.skeleton: dict[str, Any] = {}
        """The event as the general functions see it: what is there, codes only with their value."""
        for path, keys in shape.keys.items():
            for key in keys:
                if (*path, key) not in shape.keys:
                    code = shape.codes.get((*path, key), ANOTHER)
                    put_value(self.skeleton, (*path, key), _SOME if code in (ANOTHER, ODD) else code)

    def holds(self, when: When | None) -> bool:
        """Say whether a condition holds for the shape."""
        for path, values in when.tests if when is not None else ():
            code = self._shape.code(path) if self._shape.has(path) else None
            if PRESENT_CODE in values:
                if code is None:
                    return False
            elif code not in values:
                return False
        return True

    def wants(self, node: Node) -> bool:
        """Say whether the event has something for an object."""
        return has_values(node, self.skeleton)

    def node(self, node: Node, tree: dict[str, Any]) -> None:
        """Write what the leaves of an object give, in the order of the general functions."""
        holes = self._cells(node, tree)
        for name, inner in node.objects.items():
            made: dict[str, Any] = {}
            self.node(inner, made)
            if made:
                if name in tree:
                    raise NotMade
                self.complete(inner, made)
                tree[name] = made
        self._lists(node, tree)
        for name, many in node.plains.items():
            if self.holds(many.when) and self._shape.has(many.path):
                self._pen.after(tree, f"if not {self._pen.value(many.path)}: raise NotMade")
                self._later(tree, name, f"give_plain({self._pen.constant(many)}, @, {name!r}, x, turn)")
        for presence in node.presences:
            if self.holds(presence.when):
                self._presence(presence.leaf, presence.path, tree)
        for name, hole in holes.items():
            hole.strict = hole.strict or f"_{name}" in tree

    def _lists(self, node: Node, tree: dict[str, Any]) -> None:
        for name, listed in node.lists.items():
            items = self._list(listed)
            if items and name in tree and (name != "extension" or listed.indexed):
                raise NotMade
            if items:
                tree.setdefault(name, []).extend(items)
        for name in node.lists:
            if name.startswith("_"):
                if isinstance(tree.get(name[1:]), Later):
                    raise NotMade
                even(tree, name)

    def _cells(self, node: Node, tree: dict[str, Any]) -> dict[str, Hole]:
        holes: dict[str, Hole] = {}
        for cell in node.cells:
            if (
                cell.null
                or (cell.rank and not cell.also)
                or not self._shape.has(cell.path)
                or not self.holds(cell.when)
            ):
                continue
            if cell.shared or cell.name in tree:
                raise NotMade
            if cell.yields_to and self._shape.has(cell.yields_to):
                tree.setdefault("extension", []).append(self._pen.yielded(cell, tree))
                continue
            tree[cell.name] = holes[cell.name] = self._pen.cell(cell, tree)
        for name, cells in node.primitives.items():
            there = {
                at: cell for at, cell in cells.items() if self._shape.has(cell.path) and self.holds(cell.when)
            }
            if not there:
                continue
            ordered = [there[at] for at in sorted(there)]
            made = self._pen.primitives(ordered, tree) if sorted(there) == list(range(len(there))) else None
            if made is not None:
                tree[name] = made
                holes[name] = made[0]
            else:
                self._later(tree, name, f"give_primitives({self._pen.constant(cells)}, @, {name!r}, x, turn)")
        return holes

    def _later(self, tree: dict[str, Any], name: str, call: str) -> None:
        if name in tree:
            raise NotMade
        tree[name] = Later(name)
        self._pen.after(tree, call)

    def _presence(self, leaf: Leaf, path: Path, tree: dict[str, Any]) -> None:
        if not self._shape.has(path):
            return
        code = self._shape.code(path) or NULL_CODE
        if code in (ODD, inferred(leaf, tree)):
            return
        said: Any = Hole(self._pen.value(path)) if code == ANOTHER else code
        tree.setdefault("extension", []).append({"url": presence_url(leaf), "valueCode": said})

    def _list(self, listed: Listed) -> list[Any]:
        items: list[Any] = []
        for at in sorted(listed.indexed):
            made: dict[str, Any] = {}
            self.node(listed.indexed[at], made)
            if made:
                items += [filler() for _ in range(at - len(items))]
                self.complete(listed.indexed[at], made)
                items.append(made)
        for number, claim in enumerate(listed.claims):
            if claim.many is not None:
                if self.holds(claim.many.when) and self._shape.has(claim.many.path):
                    items.append(self._pen.items(claim.many, listed, claim))
                continue
            made = {}
            self.node(claim.node, made)
            if made:
                self.complete(claim.node, made)
                self.mark(listed, number, made)
                items.append(made)
        return items

    def mark(self, listed: Listed, number: int, made: dict[str, Any]) -> None:
        """Have an item marked that would be taken for another rule's, or may be."""
        test = _mistaken(listed, number, made)
        if test is None:
            return
        kept = self._pen.constant(listed)
        call = f"marked({kept}, {number}, {self._pen.constant(listed.claims[number])}, @)"
        self._pen.after(made, f"if {test}: {call}" if test else call)

    def complete(self, node: Node, tree: dict[str, Any]) -> None:
        """Write constants, defaults, and what R4 must have."""
        _or_not_made(put_constants, node.constants, tree)
        for path, _ in node.constants:
            self._rely(tree, path)
        for default in node.defaults:
            self._default(default, tree)
        _or_not_made(require, node, tree)

    def _rely(self, tree: Any, path: Sequence[Any]) -> None:
        """Note that a constant gave way to a hole."""
        found = _or_not_made(json_at, tree, path)
        if isinstance(found, Later):
            raise NotMade
        if isinstance(found, Hole):
            found.strict = True

    def _default(self, default: Any, tree: dict[str, Any]) -> None:
        path, cell = default
        if self._shape.has(cell.path):
            return
        by = cell.leaf.default["fhir"].by if "fhir" in cell.leaf.default else ()
        if by and not self._shape.has(by):
            if len(path) > 1:
                raise NotMade
            self._later(tree, path[0], f"put_default({self._pen.constant(default)}, @, x, turn)")
            return
        _or_not_made(put_default, default, tree, self.skeleton, _NO_DATA)


def _mistaken(listed: Listed, number: int, made: dict[str, Any]) -> str | None:
    """Return the test for an item to be taken for another rule's: None where it never is, "" where nobody knows."""
    try:
        return None if class_of(listed, made) == number else ""
    except Undecided:
        pass
    if any(isinstance(one, dict) and isinstance(one.get("url"), Hole) for one in made.get("extension", ())):
        return ""
    tests = []
    for claim in listed.claims[: number + 1]:
        asked = [] if claim.selector is None else _conditions(claim.selector, made)
        if asked is None or claim.mark == "":
            return ""
        if claim is listed.claims[number]:
            tests += [f"not ({' and '.join(asked)})"] if asked else []
        elif "False" not in asked:
            tests.append(" and ".join(asked) or "True")
    return " or ".join(f"({test})" for test in tests) or None


def _conditions(selector: Selector, made: dict[str, Any]) -> list[str] | None:
    """Return the tests for a sketched item to meet a selector, None where the sketch does not tell."""
    asked = []
    for path, text in selector.conditions:
        try:
            found = json_at(made, path)
        except Undecided:
            return None
        if isinstance(found, Later | Items) or text in ("true", "false"):
            return None
        if isinstance(found, Hole):
            asked.append(f"{found.text} == {text!r}")
        elif found != text:
            return ["False"]
    return asked


class _Turn:
    """What a default asks of the whole event, which the shape does not know."""

    data: Mapping[str, Any] = {}


_NO_DATA: Any = _Turn()


def _or_not_made(function: Callable[..., Any], *given: Any) -> Any:
    """Call a general function on a tree with holes; where it looks into one, the shape is not compiled."""
    try:
        return function(*given)
    except (Undecided, AttributeError, TypeError, KeyError, IndexError) as error:
        raise NotMade from error
