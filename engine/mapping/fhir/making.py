"""What an object that is made gets beside the event's values: constants, defaults, and what R4 must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.leaves import DATA_ABSENT
from engine.mapping.fhir.nodes import Cell, Node
from engine.mapping.fhir.values import Turn, default_of, give_default, json_at, meets, value_at
from engine.mapping.rules import FhirPath, Selector
from engine.mapping.v2.cells import ABSENT

FILLER: Final = {"url": DATA_ABSENT, "valueCode": "unknown"}
"""What stands for an item or an element of which nothing is known (R4 data-absent-reason)."""


def complete(node: Node, here: dict[str, Any], item: dict[str, Any], turn: Turn) -> None:
    """Write constants and defaults of an object that was made."""
    put_constants(node.constants, here)
    for default in node.defaults:
        put_default(default, here, item, turn)
    require(node, here)


def require(node: Node, here: dict[str, Any]) -> None:
    """Write what R4 must have where nobody knows it, in what constants and defaults made, too."""
    for path in (*(path for path, _ in node.constants), *(path for path, _ in node.defaults)):
        name = str(path[0])
        inner, made = node.objects.get(name), here.get(name)
        if len(path) > 1 and isinstance(path[1], int) and name in node.lists and isinstance(made, list):
            inner = node.lists[name].indexed.get(path[1])
            made = made[path[1]] if path[1] < len(made) else None
        if inner is not None and isinstance(made, dict) and not is_absence(made):
            require(inner, made)
    for required in node.required:
        if not required.there(here):
            put_absence(here, required)


def put_constants(constants: Sequence[tuple[FhirPath, Any]], here: dict[str, Any]) -> None:
    """Write constants where nothing stands."""
    for path, value in constants:
        if json_at(here, path) is ABSENT:
            put_json(here, path, value)


def put_default(
    default: tuple[FhirPath, Cell], here: dict[str, Any], item: dict[str, Any], turn: Turn
) -> None:
    """Write what stands for a leaf that the event does not have."""
    path, cell = default
    text = default_of(cell, item, turn.data)
    if not text or text == "none" or value_at(item, cell.path) is not ABSENT:
        return
    owner = json_at(here, path[:-1])
    if owner is ABSENT:
        owner = {}
        put_json(here, path[:-1], owner)
    if isinstance(owner, dict):
        give_default(cell, owner, text)


def put_absence(here: dict[str, Any], required: Required) -> None:
    """Say of an element that R4 must have that nothing is known of it."""
    name = required.names[-1]
    absence: Any = {"extension": [dict(FILLER)]}
    for inner in required.inner:
        put_absence(absence, inner)
    here[f"_{name}" if required.primitive else name] = [absence] if required.listed else absence


def is_absence(value: Any) -> bool:
    """Tell whether an object says nothing but that nothing is known, of what it must have neither."""
    if value.__class__ is not dict or "extension" not in value or not _is_filler(value["extension"]):
        return False
    return all(
        key == "extension" or is_absence(one[0] if isinstance(one, list) and len(one) == 1 else one)
        for key, one in value.items()
    )


def _is_filler(extensions: Any) -> bool:
    if not isinstance(extensions, list) or len(extensions) != 1 or not isinstance(extensions[0], dict):
        return False
    return bool(extensions[0].get("url") == DATA_ABSENT and extensions[0] == FILLER)


def drop_absence(items: list[Any]) -> None:
    """Take out of a list what stood for its missing items, now that there is one."""
    if len(items) == 1 and is_absence(items[0]):
        items.clear()


def put_json(here: Any, path: FhirPath, value: Any) -> None:
    """Set a place of a tree, objects and lists on the way made."""
    for at, step in enumerate(path):
        last = at == len(path) - 1
        following = path[at + 1] if not last else None
        if isinstance(step, str):
            if step != "extension" and is_absence(here):
                here.clear()
            if last:
                here[step] = value
            else:
                here = here.setdefault(step, {} if isinstance(following, str) else [])
        elif isinstance(step, Selector):
            drop_absence(here)
            here = _chosen(here, step)
            if last:
                here.update(value)
        else:
            while len(here) < step:
                here.append({"extension": [dict(FILLER)]})
            if len(here) == step:
                here.append({})
            if last:
                here[step] = value
            else:
                here = here[step]


def _chosen(here: list[Any], selector: Selector) -> Any:
    """Return the item of a list that meets a selector, made where there is none."""
    found = next((one for one in here if meets(one, selector)), None)
    if found is None:
        found = {}
        here.append(found)
        for path, text in selector.conditions:
            put_json(found, path, text)
    return found
