"""Finds the mappers that a person names: by name among the project's and the shipped ones, or by their file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine.cli.desk import Desk
from engine.errors import NotFound

if TYPE_CHECKING:
    from engine.mapping.two_way import TwoWayMapper

_ONE_WAY = re.compile(rb"^document[ \t]*:", re.MULTILINE)


def named(desk: Desk, name: str) -> TwoWayMapper:
    """Return a two-way mapper by its name, or by its file where the name ends in .yaml.

    Raises:
        NotFound: there is none of that name, another hides its file, or it is no two-way mapper.
        ConfigurationError: its file does not compile; holding all that is wrong, with file, line and column.
    """
    from engine.config.two_way import two_way

    root = desk.where.config.parent
    if name.endswith(".yaml"):
        root, name = _project_of(Path(name))
    found = two_way(root, name)
    if found is None:
        raise NotFound(_missing(root, name))
    return cast("TwoWayMapper", found)


def every(desk: Desk) -> list[str]:
    """Return the names of all two-way mappers that can be found, the project's and the shipped ones, sorted."""
    from engine.config.shipped import find_mapper, mapper_names
    from engine.config.two_way import is_two_way

    root = desk.where.config.parent
    files = ((name, find_mapper(root, name)) for name in mapper_names(root))
    return [name for name, path in files if path is not None and is_two_way(path)]


def _project_of(path: Path) -> tuple[Path, str]:
    """Return the folder of the project whose `mappings/` a file lies in, and the mapper's name."""
    from engine.config.shipped import find_mapper

    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    file = Path(os.path.abspath(path))  # it may be named from within the folder; a link stays where it is
    folder = next((each for each in file.parents if each.name == "mappings"), None)
    if folder is None:
        raise NotFound(f"{path} lies below no folder mappings/: what it includes would not be found")
    found = find_mapper(folder.parent, file.stem)
    if found is None or not found.samefile(file):
        raise NotFound(f"{path} is hidden by {found}, a mapper of the same name: rename one of them")
    return folder.parent, file.stem


def _missing(root: Path, name: str) -> str:
    from difflib import get_close_matches

    from engine.config.shipped import find_mapper, mapper_names

    found = find_mapper(root, name)
    if found is not None and _ONE_WAY.search(found.read_bytes()):
        return f"the mapper {name!r} is one-way: its `document:` leads nowhere back"
    if found is not None:
        return f"{name!r} is no mapper: {found.name} holds no rules, only what others include"
    close = get_close_matches(name, mapper_names(root), 1)
    return f"there is no mapper {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
