"""Where a mapper's text was written, and everything that is wrong with it, told at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.errors import ConfigurationError, Problem


class Mark(Protocol):
    """A place in a file, as the loader's trees carry it on every mapping, list and text."""

    def problem(self, message: str, *, help: str = "", severity: str = "error") -> Problem: ...

    def inside(self, offset: int, length: int) -> Mark: ...


class Faults:
    """Collects problems; a node without a mark (a definition made by a program) is told as line 1 of `file`."""

    def __init__(self, file: str = "mapper") -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, node: Any, message: str, *, help: str = "", at: tuple[int, int] | None = None) -> None:
        """Add a problem at a node, a mark, or at `at` (offset, length) within a node's text."""
        mark = mark_of(node)
        if mark is None:
            self._put(Problem(self.file, 1, 1, message, help=help))
            return
        if at is not None:
            mark = mark.inside(*at)
        self._put(mark.problem(message, help=help))

    def _put(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def raise_any(self) -> None:
        """Raise ConfigurationError with all problems, where there are any."""
        if self.problems:
            raise ConfigurationError(sorted(self.problems, key=lambda one: (one.file, one.line, one.column)))


def mark_of(node: Any) -> Mark | None:
    """Return where a node stands: the node's own mark, or the node where it is a mark itself."""
    if hasattr(node, "problem") and hasattr(node, "inside"):
        mark: Mark = node
        return mark
    found: Mark | None = getattr(node, "mark", None)
    return found


def key_mark(node: Any, key: str) -> Any:
    """Return the place of a key of a mapping, the mapping's own where it is not known."""
    places: Mapping[str, Any] = getattr(node, "keys_at", {})
    return places.get(key, node)
