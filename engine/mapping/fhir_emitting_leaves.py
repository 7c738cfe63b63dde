"""Generates the lines that write primitives: the usual values straight, all others by the general functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.mapping.fhir_making import put_constants
from engine.mapping.fhir_plan import Cell
from engine.mapping.fhir_writing import codes
from engine.mapping.rules import FhirPath, Path
from engine.mapping.writing_code import Code


class LeafCode:
    """Writes into the code of one function; `value` gives the expression for a path of the event."""

    def __init__(self, code: Code, value: Callable[[Path], str]) -> None:
        self._code = code
        self._value = value

    def cell(self, cell: Cell, here: str, condition: str | None, *, busy: bool) -> None:
        """Write one primitive of an object where the event has a value."""
        code = self._code
        name = code.fresh("v")
        test = f"({name} := {self._value(cell.path)}) is not A"
        with code.block(f"if {condition} and {test}:" if condition else f"if {test}:"):
            general = f"give_cell({code.constant(cell)}, {here}, x, turn)"
            straight = None if busy or cell.shared or cell.yields_to else self._straight(cell, here, name)
            if straight is None:
                code.line(general)
            elif straight.startswith("put_"):
                code.line(straight)
            else:
                code.line(straight)
                code.line(f"else: {general}")

    def _straight(self, cell: Cell, here: str, name: str) -> str | None:
        """Return the line for the usual values, None where there is none."""
        default = cell.leaf.default.get("fhir")
        if default is not None and default.by:
            return None
        text = default.text if default is not None else ""
        target = f"{here}[{cell.name!r}]"
        code = self._code
        if cell.leaf.table is not None:
            known = codes(cell.kind, tuple(cell.leaf.table.rows), text)
            found = code.fresh("r")
            look = f"{code.constant(known)}.get({name})"
            return f"if {name}.__class__ is str and ({found} := {look}) is not None: {target} = {found}"
        if text:
            return None
        if cell.kind.zoned:
            kind = cell.kind.primitive
            put = {"date": "put_day"}.get(kind, "put_time")
            return f"{put}({code.constant(cell)}, {here}, x, {name}, turn)"
        test = self.usual(cell, name)
        return None if test is None else f"if {test}: {target} = {name}"

    def usual(self, cell: Cell, name: str) -> str | None:
        """Return a test for values that are written as they stand."""
        if cell.leaf.table is not None or cell.leaf.kind not in ("text", "code", "xtn"):
            return None
        kind = cell.kind.primitive
        if kind in ("string", "markdown", "xhtml"):
            return f"{name}.__class__ is str and {name}.isprintable() and {name}.strip()"
        if kind in ("uri", "url", "canonical"):
            return f"{name}.__class__ is str and {name} and {name}.isprintable() and ' ' not in {name}"
        if kind == "code":
            return f"{name}.__class__ is str and {name}.isalnum()"
        return None

    def primitives(self, name: str, cells: Mapping[int, Cell], here: str, *, free: bool) -> None:
        """Write a list of primitives: those from the first on straight, gaps by the general function."""
        code = self._code
        values = [code.fresh("v") for _ in cells]
        ordered = sorted(cells)
        for var, at in zip(values, ordered, strict=True):
            code.line(f"{var} = {self._value(cells[at].path)}")
        general = f"give_primitives({code.constant(cells)}, {here}, {name!r}, x, turn)"
        with code.block(f"if {' or '.join(f'{var} is not A' for var in values)}:"):
            tests = [self.usual(cells[at], var) for var, at in zip(values, ordered, strict=True)]
            if not free or ordered != list(range(len(ordered))) or None in tests:
                code.line(general)
                return
            for length in range(1, len(ordered) + 1):
                wanted = [f"({test})" for test in tests[:length]]
                wanted += [f"{var} is A" for var in values[length:]]
                head = "if" if length == 1 else "elif"
                code.line(f"{head} {' and '.join(wanted)}: {here}[{name!r}] = [{', '.join(values[:length])}]")
            code.line(f"else: {general}")


def constant_tree(code: Code, constants: Sequence[tuple[FhirPath, Any]]) -> str:
    """Return the expression for a new tree of constants that begin with one element, without that element."""
    tree: dict[str, Any] = {}
    put_constants(constants, tree)
    return _literal(code, tree[str(constants[0][0][0])])


def _literal(code: Code, tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(code, value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(_literal(code, value) for value in tree) + "]"
    return repr(tree) if isinstance(tree, str | int) else code.constant(tree)
