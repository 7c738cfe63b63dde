"""Generates what reads and tests one value of an event on its way into a primitive: usual values go straight."""

from __future__ import annotations

from engine.mapping.fhir.nodes import Cell
from engine.mapping.fhir.values import default_of
from engine.mapping.fhir.writing import codes, quick_day, quick_moment, quick_value
from engine.mapping.writing_code import Code


class LeafCode:
    """Writes for the code of one function."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def primitive(self, cell: Cell, value: str) -> tuple[str, str, str, str]:
        """Return a line that finds what is written, its name, whether it is right, and what else is to be done.

        The object is `@` in it, the event object `x`.
        """
        code = self._code
        kept = code.constant(cell)
        redo = f"redo({kept}, @, x, turn)"
        default = cell.leaf.default.get("fhir")
        text = default.text if default is not None and not default.by else ""
        unlike = ""
        if default is not None and default.by:
            code.names["default_of"] = default_of
            unlike = f" != default_of({kept}, x, turn.data)"
        test = usual(cell, value)
        if test is not None:
            test += f" and {value} != {text!r}" if text else ""
            return "", value, test + (f" and {value}{unlike}" if unlike else ""), redo
        raw = code.fresh("r")
        if cell.leaf.table is not None:
            known = code.constant(codes(cell.kind, tuple(cell.leaf.table.rows), text))
            load = f"{raw} = {known}.get({value})"
        elif cell.kind.zoned:
            quick = quick_day if cell.kind.primitive == "date" else quick_moment
            load = f"{raw} = {code.constant(quick)}({value})"
            redo = f"redo_time({kept}, @, x, {value}, turn)"
        else:
            load = f"{raw} = {code.constant(quick_value(cell, text))}({value})"
        test = f"{raw} is not None"
        if cell.kind.zoned and text:
            test += f" and {raw} != {text!r}"
            redo = f"redo({kept}, @, x, turn)"
        return load, raw, test + (f" and {raw}{unlike}" if unlike else ""), redo


def usual(cell: Cell, name: str) -> str | None:
    """Return a test for values that are written as they stand."""
    if cell.leaf.kind == "any":
        return f"{name} is not None"
    if (
        cell.kind.codes is not None
        or cell.leaf.table is not None
        or cell.leaf.kind not in ("text", "code", "xtn")
    ):
        return None
    kind = cell.kind.primitive
    if kind in ("string", "markdown", "xhtml"):
        return f"{name}.__class__ is str and {name}.isprintable() and {name} >= '!'"
    if kind in ("uri", "url", "canonical", "code"):
        return f"{name}.__class__ is str and {name} and {name}.isprintable() and ' ' not in {name}"
    return None
