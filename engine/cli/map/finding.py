"""Finds the mappers that a person names: by name among the project's and the shipped ones, or by their file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.desk import Desk
from engine.errors import NotFound

if TYPE_CHECKING:
    from engine.spi import TwoWay


def named(desk: Desk, name: str) -> TwoWay:
    """Return a two-way mapper by its name, or by its file where the name ends in .yaml.

    Raises:
        NotFound: there is none of that name, or it is one-way.
        ConfigurationError: its file does not compile; holding all that is wrong, with file, line and column.
    """
    from engine.config.two_way import compile_file, two_way

    root = desk.where.config.parent
    path = Path(name)
    if path.suffix == ".yaml":
        if not path.is_file():
            raise NotFound(f"there is no file {path}")
        return compile_file(root, path)
    found = two_way(root, name)
    if found is None:
        raise NotFound(_missing(root, name))
    return found


def every(desk: Desk) -> list[str]:
    """Return the names of all two-way mappers that can be found, the project's and the shipped ones, sorted."""
    from engine.config.shipped import find_mapper, mapper_names
    from engine.config.two_way import is_two_way

    root = desk.where.config.parent
    files = ((name, find_mapper(root, name)) for name in mapper_names(root))
    return [name for name, path in files if path is not None and is_two_way(path)]


def _missing(root: Path, name: str) -> str:
    from difflib import get_close_matches

    from engine.config.shipped import find_mapper, mapper_names

    if find_mapper(root, name) is not None:
        return f"the mapper {name!r} is one-way: its `document:` leads nowhere back"
    close = get_close_matches(name, mapper_names(root), 1)
    return f"there is no mapper {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
