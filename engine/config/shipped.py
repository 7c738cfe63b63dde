"""Finds mappers and schemas: the project's own folder comes first, then what the package ships (decision 15)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import engine

_PACKAGE = Path(engine.__file__).parent


def folders(root: Path, kind: str) -> tuple[Path, ...]:
    """Return the folders that `kind` (`mappings`, `routes`) may be in, the one that wins first.

    An installed package has its samples below `engine/_shipped`, a working copy beside `engine`.
    """
    return tuple(
        folder
        for folder in (root / kind, _PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind)
        if folder.is_dir()
    )


def find_mapper(root: Path, name: str) -> Path | None:
    """Return the file of a mapper, `mappings/**/NAME.yaml`; None when there is none."""
    return next(_found(root, f"{name}.yaml"), None)


def find_schema(root: Path, name: str) -> Path | None:
    """Return a JSON Schema: a file below the project, or the one of an event type; None when there is none."""
    own = root / name
    if own.is_file():
        return own
    return next(_found(root, f"{name}.json"), None)


def mapper_names(root: Path) -> list[str]:
    """Return the names of all mappers that can be found, sorted."""
    found = {
        path.stem
        for folder in folders(root, "mappings")
        for path in folder.rglob("*.yaml")
        if "." not in path.stem
    }
    return sorted(found)


def _found(root: Path, file: str) -> Iterator[Path]:
    for folder in folders(root, "mappings"):
        direct = folder / file
        if direct.is_file():
            yield direct
        yield from sorted(path for path in folder.rglob(file) if path.is_file())
