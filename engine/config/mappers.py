"""The mapper files that routes name: their model, and each read once per check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from engine.config.compose import compose_file
from engine.config.gather import printed
from engine.config.loaded import Loaded
from engine.config.models import Labelled, Name
from engine.config.nodes import MapNode
from engine.config.plugins import Plugins
from engine.config.shipped import find_mapper, mapper_names
from engine.config.two_way import is_two_way, two_way
from engine.config.validate import validate
from engine.errors import ConfigurationError, Problem
from engine.spi import TwoWay


class MapperFile(Labelled):
    """A one-way mapper: a tree of templates that builds a new JSON document."""

    mapper: Name
    """Its name, that of the file."""

    version: Annotated[str, Field(min_length=1)]
    """Its version, for people."""

    tables: dict[Name, dict[str, str]] = Field(default_factory=dict)
    """Tables of its own, for `table('name', key)`."""

    document: dict[str, Any]
    """The document: mappings, lists and texts with `{expression}` parts."""


class Mappers:
    """Reads mapper files; what is wrong with one as YAML is in `problems`, once."""

    def __init__(self, loaded: Loaded) -> None:
        self.problems: list[Problem] = []
        self._root = loaded.root
        self._plugins = loaded.plugins
        self._tables = frozenset(loaded.app.tables)
        self._files: dict[str, Path | None] = {}
        self._trees: dict[str, MapNode | None] = {}
        self._two_way: dict[str, TwoWay | None] = {}

    def names(self) -> list[str]:
        """Return the names of all mappers that there are."""
        return mapper_names(self._root)

    def exists(self, name: str) -> bool:
        """Tell whether there is a file for this mapper."""
        if name not in self._files:
            self._files[name] = find_mapper(self._root, name)
        return self._files[name] is not None

    def tree(self, name: str) -> MapNode | None:
        """Return a one-way mapper's file as a tree, None where it cannot be read or is no such mapper."""
        if name not in self._trees:
            path = self._files[name] if self.exists(name) else None
            if path is None or is_two_way(path):
                self._trees[name] = None
            else:
                self._trees[name] = mapper_tree(path, self._plugins, self.problems)
        return self._trees[name]

    def two_way(self, name: str) -> TwoWay | None:
        """Return a two-way mapper, compiled; None where it is one-way, or where it does not compile."""
        if name not in self._two_way:
            try:
                self._two_way[name] = two_way(self._root, name)
            except ConfigurationError as error:
                self._two_way[name] = None
                self.problems.extend(error.problems)
        return self._two_way[name]

    def tables(self, name: str) -> frozenset[str]:
        """Return the tables that the mapper's templates may read: the configuration's, and its own."""
        tree = self.tree(name)
        own = tree.get("tables") if tree is not None else None
        return self._tables.union(own) if isinstance(own, MapNode) else self._tables


def mapper_tree(path: Path, plugins: Plugins, problems: list[Problem]) -> MapNode | None:
    """Return a mapper's file as `compile_one_way` takes it; None with all problems added where it is no mapper."""
    tree = compose_file(path, printed(path), problems)
    if isinstance(tree, MapNode) and validate(MapperFile, tree, plugins, problems):
        return tree
    return None
