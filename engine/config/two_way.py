"""The two-way mappers that routes name: each compiled once, however many routes, checks and reloads ask for it."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path

from engine.config.shipped import find_mapper
from engine.errors import ConfigurationError, Problem
from engine.spi import TwoWay

_KEPT = 256
"""Compiled mappers that are remembered: what all the projects of a test run have."""
_TWO_WAY = re.compile(rb"^(rules|extends)[ \t]*:", re.MULTILINE)
_EXTENDS = re.compile(rb"^extends[ \t]*:[ \t]*[\"']?([\w.-]+)", re.MULTILINE)
_Content = tuple[tuple[str, bytes], ...]
_compiled: OrderedDict[_Content, TwoWay | tuple[Problem, ...]] = OrderedDict()


def is_two_way(path: Path) -> bool:
    """Tell whether a mapper's file holds rules; one that cannot be read does not."""
    try:
        return _TWO_WAY.search(path.read_bytes()) is not None
    except OSError:
        return False


def two_way(root: Path, name: str) -> TwoWay | None:
    """Return the two-way mapper of that name, None where there is none or it is one-way.

    Raises:
        ConfigurationError: its file, or one that it extends, does not compile; holding all that is wrong.
    """
    path = find_mapper(root, name)
    if path is None or not is_two_way(path):
        return None
    content = _content(root, name)
    found = _compiled.get(content)
    if found is None:
        try:
            found = compile_file(root, path)
        except ConfigurationError as error:
            found = error.problems
        _compiled[content] = found
        if len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    if isinstance(found, tuple):
        raise ConfigurationError(found)
    return found


def compile_file(root: Path, path: Path) -> TwoWay:
    """Compile the mapper in a file; `root` is the folder of the project whose mappers it may extend.

    Raises:
        ConfigurationError: holding all that is wrong.
    """
    raise ConfigurationError([Problem(str(path), 1, 1, "rules cannot be compiled yet")])


def _content(root: Path, name: str) -> _Content:
    """Return the files that a mapper is made of, by their name."""
    files: dict[str, bytes] = {}
    while name not in files and (path := find_mapper(root, name)) is not None:
        files[name] = path.read_bytes()
        base = _EXTENDS.search(files[name])
        if base is None:
            break
        name = base[1].decode()
    return tuple(files.items())
