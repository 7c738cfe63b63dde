"""Collects what checks find about a tree, at the places where it was written."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.config.nodes import Location, MapNode, Node, find, locate, locate_key
from engine.config.suggest import hint
from engine.errors import Problem


class Findings:
    """Problems about one tree; locations are keys and indexes from its root."""

    def __init__(self, tree: MapNode, problems: list[Problem]) -> None:
        self._tree = tree
        self._problems = problems

    def error(self, location: Location, message: str, help: str = "") -> None:
        """Add an error about the value at `location`."""
        self._problems.append(locate(self._tree, location).problem(message, help=help))

    def error_of_key(self, location: Location, message: str, help: str = "") -> None:
        """Add an error about the key at the end of `location`."""
        self._problems.append(locate_key(self._tree, location).problem(message, help=help))

    def error_inside(
        self, location: Location, offset: int, length: int, message: str, help: str = ""
    ) -> None:
        """Add an error about `length` characters at `offset` of the text at `location`."""
        self._problems.append(locate(self._tree, location).inside(offset, length).problem(message, help=help))

    def warning(self, location: Location, message: str, help: str = "") -> None:
        """Add a warning about the value at `location`: it runs, but hardly as it was meant."""
        self._problems.append(locate(self._tree, location).problem(message, help=help, severity="warning"))

    def reference(self, location: Location, name: str | None, known: Collection[str], what: str) -> bool:
        """Add an error unless `name` is None or known; tells whether it can be used."""
        if name is None:
            return False
        if name in known:
            return True
        self.error(location, f'there is no {what} "{name}"', hint(name, known))
        return False

    def clashes(self, at: Location, names: Sequence[tuple[str, Sequence[str]]], what: str) -> None:
        """Add an error for each former name (`formerly`, below each name in `at`) that something else bears."""
        owners = {name: name for name, _ in names}
        for name, former in names:
            for index, old in enumerate(former):
                if owners.setdefault(old, name) != name or old == name:
                    self.error(
                        (*at, name, "formerly", index), f'"{old}" is the name of another {what}, or was'
                    )

    def node(self, location: Location) -> Node | None:
        """Return what was written at `location`."""
        return find(self._tree, location)
