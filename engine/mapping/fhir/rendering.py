"""Renders a sketch as the source of the expression that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.mapping.fhir.sketching import Hole, Items, Later


def rendered(tree: Any, names: Mapping[int, str], constant: Callable[[Any], str]) -> str:
    """Return an expression; objects of the tree that are in `names`, by their id, get that name."""
    if isinstance(tree, dict):
        inner = ", ".join(
            f"{key!r}: {rendered(value, names, constant)}"
            for key, value in tree.items()
            if not isinstance(value, Later)
        )
        name = names.get(id(tree))
        return f"({name} := {{{inner}}})" if name else f"{{{inner}}}"
    if isinstance(tree, list):
        if len(tree) == 1 and isinstance(tree[0], Items):
            return tree[0].text
        parts = (f"*{one.text}" if isinstance(one, Items) else rendered(one, names, constant) for one in tree)
        return f"[{', '.join(parts)}]"
    if isinstance(tree, Hole):
        return tree.text
    return constant(tree) if isinstance(tree, Decimal) else repr(tree)
