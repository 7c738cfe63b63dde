"""Finds the instances among files and folders that somebody names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

PATH: Any = click.Path(exists=True, path_type=Path)
"""A file, or a folder whose files are meant, those of its folders too."""
_PREFIX: Final = (128, b"DICM")


def files_in(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are meant, each once, in order; of a folder only those that look like Part 10 files."""
    found: dict[Path, None] = {}
    for path in paths:
        for each in (path,) if path.is_file() else _instances_in(path):
            found[each] = None
    return list(found)


def _instances_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                offset, prefix = _PREFIX
                file.seek(offset)
                if file.read(len(prefix)) == prefix:
                    yield path
