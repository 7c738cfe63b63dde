"""`events:`: which event a mapper's data mean, and what the event is about.

Source: CloudEvents 1.0.2 3.1 (type, subject).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.mapping.faults import Faults, key_mark
from engine.mapping.paths import BadPath, event_path
from engine.mapping.rules import PRESENT_CODE, Definition, Leaf, Path, Scope

_KEYS: Final = frozenset({"by", "types", "else", "subject"})


def value_of(data: Any, path: Path) -> Any:
    """Return what stands at a path of an event, of a list in its first item; None where nothing does."""
    for key in path:
        if isinstance(data, list):
            data = data[0] if data else None
        data = data.get(key) if isinstance(data, dict) else None
    return data


def kind_of(data: Any, definition: Definition) -> str:
    """Return the type of event data by a mapper's catalogue, "" where it has none."""
    value = value_of(data, definition.event_by) if definition.event_by else None
    known = definition.event_types.get(value) if isinstance(value, str) else None
    if known is None and value is not None:
        known = definition.event_types.get(PRESENT_CODE)
    return known or definition.event_else


def read_catalogue(node: Any, definition: Definition, faults: Faults) -> None:
    """Read `events:` into a definition; what is wrong goes to `faults`."""
    if node is None:
        return
    if isinstance(node, str):
        definition.event_else = str(node)
        return
    known = isinstance(node, Mapping) and not set(node) - _KEYS
    if not known or ("by" in node) != ("types" in node) or not {"types", "else"} & set(node):
        faults.add(node, "events: is a type, or {by: path, types: {code: type}, else: type, subject: path}")
        return
    definition.event_else = str(node.get("else", ""))
    subjects = node.get("subject", ())
    found = [
        _leaf(one, definition, faults) for one in ([subjects] if isinstance(subjects, str) else subjects)
    ]
    definition.event_subject = tuple(path for path, _ in found)
    if "by" not in node:
        return
    definition.event_by, leaf = _leaf(node["by"], definition, faults)
    definition.event_types = {str(code): str(kind) for code, kind in dict(node["types"]).items()}
    for code in definition.event_types if leaf is not None and leaf.table is not None else ():
        if leaf is not None and leaf.table is not None and code not in {*leaf.table.rows, PRESENT_CODE}:
            faults.add(key_mark(node["types"], code), f"table {leaf.table.name} has no {code}")


def _leaf(node: Any, definition: Definition, faults: Faults) -> tuple[Path, Leaf | None]:
    """Return the path that a text names, and its leaf."""
    try:
        path = event_path(str(node).replace("[0]", ""))[0]
    except BadPath as error:
        faults.add(node, str(error), at=(error.offset, error.length))
        return (), None
    leaf = _leaf_at(definition.scope, path)
    if leaf is None:
        faults.add(node, f"there is no leaf {node}")
    return path, leaf


def _leaf_at(scope: Scope, path: Path) -> Leaf | None:
    """Return the leaf of a path: it may go through lists, of which it means the first item, and into any JSON."""
    for leaf in scope.leaves:
        if leaf.path == path or (leaf.kind == "any" and path[: len(leaf.path)] == leaf.path):
            return leaf
    for many in scope.lists:
        if path[: len(many.path)] == many.path:
            found = _leaf_at(many.scope, path[len(many.path) :])
            if found is not None:
                return found
    return None
