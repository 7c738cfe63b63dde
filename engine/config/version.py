"""The version of a route: a hash of what it comes to, with its mappers, tables and schemas and without secrets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine.config.nodes import ListNode, MapNode, Node
from engine.config.route import RouteConfig, ToSubscribers
from engine.config.shipped import find_mapper, find_schema
from engine.config.text import Text
from engine.config.uses import Use

_LENGTH = 16
"""Hex digits shown and stored: 64 bits."""
_TABLE = re.compile(r"\btable\(\s*['\"]([^'\"]+)['\"]")


def route_version(
    config: RouteConfig, found: Sequence[Use], *, tree: MapNode, app: MapNode, root: Path
) -> str:
    """Return the version of a route whose step lists are expanded in `tree`; `app` is the tree of config.yaml.

    Comments, order of keys, credentials and `${file:}` do not count; whatever changes what partners receive does.
    """
    content = {
        "route": _public(tree),
        "profiles": _named(app.get("profiles"), _profiles(config)),
        "files": {
            name: _digest(path) for name, path in (*_files(found, app, root), *_event_schemas(config, root))
        },
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _public(node: Node) -> object:
    """Return a tree as plain values in which secrets are only their references."""
    if isinstance(node, MapNode):
        return {key: _public(child) for key, child in node.items()}
    if isinstance(node, ListNode):
        return [_public(child) for child in node]
    return node.filling.public if node.filling else str(node)


def _named(section: Node | None, names: Iterable[str]) -> Mapping[str, object]:
    if not isinstance(section, MapNode):
        return {}
    return {name: _public(section[name]) for name in sorted(set(names)) if name in section}


def _profiles(config: RouteConfig) -> list[str]:
    names: list[str] = []
    for entry in config.to:
        if isinstance(entry, ToSubscribers):
            names.extend(entry.use)
    for destination in config.destinations():
        names.extend(destination.use)
        if destination.fallback:
            names.extend(name for way in destination.fallback.to for name in way.use)
    return names


def _files(found: Iterable[Use], app: MapNode, root: Path) -> Iterable[tuple[str, Path]]:
    tables = app.get("tables")
    for use in found:
        if use.what == "mapper" and (path := find_mapper(root, use.text)):
            yield f"mapper {use.text}", path
        elif use.what == "schema" and (path := find_schema(root, use.text)):
            yield f"schema {use.text}", path
        elif isinstance(tables, MapNode):
            for name in _TABLE.findall(use.text):
                table = tables.get(name)
                file = table.get("csv") if isinstance(table, MapNode) else None
                if isinstance(file, Text):
                    yield f"table {name}", root / file


def _event_schemas(config: RouteConfig, root: Path) -> Iterable[tuple[str, Path]]:
    for kind in config.accept.events:
        if path := find_schema(root, kind):
            yield f"schema {kind}", path


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # `check` tells that it is missing; the version changes once it is there
