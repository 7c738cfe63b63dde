"""Whether what an event carries is typed and described in its schema: a leaf that no schema names counts nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bench.wire import REPOSITORY
from engine.codecs.json import Schema
from engine.config.shipped import find_schema

_INDEX: Final = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Described:
    """Leaves of events, those of them that their schema types and describes, and events against their schema."""

    leaves: int = 0
    described: int = 0
    events: int = 0
    valid: int = 0
    undescribed: Counter[str] = field(default_factory=Counter)


class Schemas:
    """The schemas of event types, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Schema] | None] = {}

    def count(self, kind: str, data: Any, into: Described) -> None:
        """Count the leaves of one event of a type."""
        found = self._schema(kind)
        into.events += 1
        if found is not None and not found[1].faults(data):
            into.valid += 1
        for path, parts in leaves(data):
            into.leaves += 1
            if found is not None and is_described(found[0], parts):
                into.described += 1
            else:
                into.undescribed[_INDEX.sub("[]", path)] += 1

    def _schema(self, kind: str) -> tuple[Any, Schema] | None:
        if kind not in self._known:
            path = find_schema(REPOSITORY, kind) if kind else None
            text = None if path is None else json.loads(path.read_text(encoding="utf-8"))
            self._known[kind] = None if text is None else (text, Schema(text))
        return self._known[kind]


def leaves(
    value: Any, path: str = "", parts: tuple[str | int, ...] = ()
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield path and steps of every value that holds no other."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}" if path else key, (*parts, key))
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from leaves(each, f"{path}[{index}]", (*parts, index))
    else:
        yield path, parts


def is_described(root: Any, parts: tuple[str | int, ...]) -> bool:
    """Say whether a schema names every step, and gives the last one a type and says what it is."""
    nodes = [root]
    said = False
    for part in parts:
        nodes = [inner for node in nodes for inner in _below(root, node, part)]
        said = any("description" in node for node in _all(root, nodes))
        if not nodes:
            return False
    return said and any(key in node for node in _all(root, nodes) for key in ("type", "enum", "const"))


def _below(root: Any, node: Any, part: str | int) -> Iterator[Any]:
    for each in _all(root, [node]):
        if isinstance(part, int):
            if "items" in each:
                yield each["items"]
        elif part in each.get("properties", {}):
            yield each["properties"][part]


def _all(root: Any, nodes: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield schemas with those that they refer to and are made of."""
    for node in nodes:
        if not isinstance(node, dict):
            continue
        yield node
        if "$ref" in node:
            yield from _all(root, [_target(root, node["$ref"])])
        for key in ("allOf", "anyOf", "oneOf"):
            yield from _all(root, node.get(key, []))


def _target(root: Any, reference: str) -> Any:
    found = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found
