"""Keeps the shapes that events share: `python -m tests.mapping.event_shapes` repeats them where they are used.

A schema of mappings/events names a shape by `{"$ref": "#/$defs/practitioner"}`; shapes/shapes.json describes it. Each
schema holds the shapes that it uses, so that a subscriber who gets one file has all of it and nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[2] / "mappings" / "events"
SHAPES: dict[str, Any] = json.loads((EVENTS / "shapes" / "shapes.json").read_text())["$defs"]
WIDTH = 112
_PREFIX = "#/$defs/"


def references(value: Any) -> Iterator[str]:
    """Give the names of the shapes that a schema refers to, its own `$defs` left out."""
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str) and target.startswith(_PREFIX):
            yield target.removeprefix(_PREFIX)
        for key, item in value.items():
            if key != "$defs":
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def used_shapes(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the shapes that a schema needs, those of shapes included, in the order of shapes.json."""
    own = {name: shape for name, shape in schema.get("$defs", {}).items() if name not in SHAPES}
    found: set[str] = set()
    waiting = [*references(schema), *references(list(own.values()))]
    while waiting:
        name = waiting.pop()
        if name in SHAPES and name not in found:
            found.add(name)
            waiting.extend(references(SHAPES[name]))
    return {name: shape for name, shape in SHAPES.items() if name in found} | own


def printed(value: Any, indent: int = 0, before: int = 0) -> str:
    """Write JSON with what fits on one line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + before + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        keys = {key: json.dumps(key, ensure_ascii=False) for key in value}
        lines = [f"{pad}{keys[k]}: {printed(v, indent + 2, len(keys[k]) + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + printed(item, indent + 2) for item in value) + "\n" + " " * indent + "]"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of every event by its type."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))}


def main() -> None:
    for name, schema in schemas().items():
        shapes = used_shapes(schema)
        if shapes:
            schema["$defs"] = shapes
            (EVENTS / f"{name}.json").write_text(printed(schema) + "\n")


if __name__ == "__main__":
    main()
