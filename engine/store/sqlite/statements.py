"""Named statements from the .sql files of this folder: SQL stays SQL, code calls it by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^-- (name|fragment): ([a-z0-9-]+)\s*$", re.MULTILINE)
_FRAGMENT = re.compile(r"\{([a-z-]+)\}")


def statements(file: str) -> Mapping[str, str]:
    """Return the statements of one file by name, fragments filled in; ValueError when a name stands twice."""
    text = files("engine.store.sqlite").joinpath(f"{file}.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    fragments: dict[str, str] = {}
    headings = list(_HEADING.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        body = text[heading.end() : following.start() if following else len(text)]
        kind, name = heading.groups()
        target = found if kind == "name" else fragments
        if name in target:
            raise ValueError(f"{file}.sql: {name} stands twice")
        target[name] = _strip(body)
    return MappingProxyType(
        {name: _FRAGMENT.sub(lambda match: fragments[match[1]], sql) for name, sql in found.items()}
    )


def migrations() -> list[tuple[int, str]]:
    """Return the numbered migrations (number, script), ascending without a gap."""
    found = sorted(
        (int(entry.name[:4]), entry.read_text(encoding="utf-8"))
        for entry in files("engine.store.sqlite").iterdir()
        if re.fullmatch(r"\d{4}_[a-z_]+\.sql", entry.name)
    )
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are numbered from 0001 without a gap")
    return found


def _strip(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip()).rstrip().rstrip(";")
