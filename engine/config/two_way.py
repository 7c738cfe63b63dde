"""The two-way mappers that routes name: each compiled once, however many routes, checks and reloads ask for it."""

from __future__ import annotations

import gc
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config.compose import compose_file
from engine.config.gather import printed
from engine.config.nodes import Node
from engine.config.shipped import find_mapper
from engine.errors import ConfigurationError, Problem
from engine.spi import TwoWay

_KEPT = 256
"""Compiled mappers that are remembered: what all the projects of a test run have."""
_TWO_WAY = re.compile(rb"^(rules|extends)[ \t]*:", re.MULTILINE)
_State = tuple[int, int]
"""When a file was written last, in ns, and its size in bytes."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A mapper, or what is wrong with it, and the files that it was made of by the names that led to them."""

    files: dict[str, tuple[Path | None, _State | None]]
    result: TwoWay | tuple[Problem, ...]

    def holds(self, root: Path) -> bool:
        """Tell whether the same names still lead to the same files, and nobody wrote to them."""
        return all(_state_of(find_mapper(root, name)) == state for name, state in self.files.items())


_included: dict[Path, tuple[_State, Node]] = {}
"""Files of shapes that were read without a problem: most mappers include the same."""
_compiled: OrderedDict[tuple[Path, str], _Compiled] = OrderedDict()
"""By the file, and how it is printed: projects that have the same mapper of the same files share it."""


def is_two_way(path: Path) -> bool:
    """Tell whether a mapper's file holds rules; one that cannot be read does not."""
    try:
        return _TWO_WAY.search(path.read_bytes()) is not None
    except OSError:
        return False


def two_way(root: Path, name: str) -> TwoWay | None:
    """Return the two-way mapper of that name, None where there is none or it is one-way.

    `root` is the project's folder, whose own mappers come first.

    Raises:
        ConfigurationError: its file, or one that it extends or includes, does not compile; holding all that is wrong.
    """
    path = find_mapper(root, name)
    if path is None:
        return None
    key = path, printed(path)
    found = _compiled.get(key)
    if found is None or not found.holds(root):
        if not is_two_way(path):
            return None
        found = _compiled[key] = _compile(root, name, path)
        if len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    if isinstance(found.result, tuple):
        raise ConfigurationError(found.result)
    return found.result


def _compile(root: Path, name: str, path: Path) -> _Compiled:
    from engine.codecs.fhir.definitions import (  # heavy, and many projects map nothing two ways
        children,
        element,
    )
    from engine.codecs.hl7v2.rebuilding import REBUILDING
    from engine.config.workbench import WORKBENCH
    from engine.mapping.dicom.side import Spelling
    from engine.mapping.loading import compile_mapper

    files = {name: _state_of(path)}
    problems: list[Problem] = []

    def find(other: str) -> Node | None:
        found = find_mapper(root, other)
        files[other] = _state_of(found)
        return None if found is None else _read(found, problems)

    try:
        with _uncollected():
            tree = compose_file(path, printed(path), problems)
            made = compile_mapper(
                tree,
                v2=REBUILDING,
                r4=element,
                children=children,
                find=find,
                workbench=WORKBENCH,
                dicom=Spelling(_by_keywords, _as_model),
                file=printed(path),
            )
    except ConfigurationError as error:
        return _Compiled(files, tuple(dict.fromkeys((*problems, *error.problems))))
    return _Compiled(files, tuple(problems) if problems else made)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave out the garbage collector: of the thousands of rules that are made none is garbage.

    It would find that out again and again, in a quarter of the time that a mapper takes to compile.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(path: Path, problems: list[Problem]) -> Node | None:
    """Return the tree of a file that mappers include or extend, the same until somebody writes to it."""
    _, state = _state_of(path)
    known = _included.get(path)
    if known is not None and known[0] == state:
        return known[1]
    before = len(problems)
    tree = compose_file(path, printed(path), problems)
    if tree is not None and state is not None and len(problems) == before:
        _included[path] = (state, tree)
    return tree


def _by_keywords(model: Mapping[str, Any]) -> dict[str, Any]:
    from engine.codecs.dicom.keywords import to_keywords  # pydicom is heavy, and few projects map images

    return to_keywords(model)


def _as_model(words: Mapping[str, Any]) -> dict[str, Any]:
    from engine.codecs.dicom.keywords import from_keywords

    return from_keywords(words)


def _state_of(path: Path | None) -> tuple[Path | None, _State | None]:
    if path is None:
        return None, None
    try:
        found = path.stat()
    except OSError:
        return path, None
    return path, (found.st_mtime_ns, found.st_size)
