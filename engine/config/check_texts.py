"""Compiles every expression, template and path that routes and mappers hold, and puts carets inside their texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.config.compose import compose_file
from engine.config.gather import printed
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.nodes import Location, MapNode, Node, locate, locate_key
from engine.config.plugins import Plugins
from engine.config.shipped import find_mapper, find_schema, folders, mapper_names
from engine.config.suggest import did_you_mean, hint
from engine.config.uses import Use
from engine.errors import ExpressionError, NotFound, Problem
from engine.mapping.one_way import MappingProblem, compile_one_way
from engine.spi import Document, Scope

_DEFAULT_CODEC = "json"
"""What a listener reads where it does not say."""


def check_texts(loaded: Loaded, problems: list[Problem]) -> None:
    """Check the texts of all routes and of every mapper and schema that they name."""
    room = _Texts(loaded, problems)
    for route in loaded.routes:
        room.check_route(route)


class _Texts:
    """Compiles each text once per codec, however many routes share it."""

    def __init__(self, loaded: Loaded, problems: list[Problem]) -> None:
        self._loaded = loaded
        self._problems = problems
        self._plugins: Plugins = loaded.plugins
        self._mappers: set[tuple[str, str]] = set()
        self._schemas: set[str] = set()
        self._events = {path.stem for path in _event_schemas(loaded.root)}

    def check_route(self, route: LoadedRoute) -> None:
        """Check one route for every codec that its listeners read."""
        for name in sorted(self._codecs(route)):
            for use in route.uses:
                self._check(use, route.tree, name)
        for index, event in enumerate(route.config.accept.events):
            meant = did_you_mean(event, self._events) if self._events and event not in self._events else ""
            if meant:
                mark = locate(route.tree, ("accept", "events", index))
                self._problems.append(
                    mark.problem(
                        f'no schema describes the event "{event}"',
                        help=f'did you mean "{meant}"?',
                        severity="warning",
                    )
                )

    def _codecs(self, route: LoadedRoute) -> set[str]:
        listeners = self._loaded.app.listen
        doors = [listeners[door.listener] for door in route.config.doors if door.listener in listeners]
        return {listener.codec or _DEFAULT_CODEC for listener in doors} or {_DEFAULT_CODEC}

    def _check(self, use: Use, tree: Node, codec_name: str) -> None:
        if use.what == "mapper":
            self._mapper(use, tree, codec_name)
        elif use.what == "schema":
            self._schema(use, tree)
        else:
            self._compile(use, tree, codec_name)

    def _compile(self, use: Use, tree: Node, codec_name: str) -> None:
        try:
            self._plugins.compile(use.what, use.text, codec_name)
        except (ExpressionError, NotFound) as error:
            self._problems.append(_told(error, tree, use.location))

    def _mapper(self, use: Use, tree: Node, codec_name: str) -> None:
        path = find_mapper(self._loaded.root, use.text)
        if path is None:
            told, help = f'there is no mapper "{use.text}"', hint(use.text, mapper_names(self._loaded.root))
            self._problems.append(locate(tree, use.location).problem(told, help=help))
        elif (use.text, codec_name) not in self._mappers:
            self._mappers.add((use.text, codec_name))
            self._check_mapper(path, use.text, codec_name)

    def _check_mapper(self, path: Path, name: str, codec_name: str) -> None:
        tree = compose_file(path, printed(path), self._problems)
        if not isinstance(tree, MapNode):
            return

        def template(text: str, trail: Location) -> Any:
            self._compile(Use("template", text, trail), tree, codec_name)
            return _Unused()

        try:
            mapper = compile_one_way(tree, template=template, make=_make)
        except MappingProblem as error:
            locating = locate_key if error.length == 0 else locate
            mark = locating(tree, error.trail)
            self._problems.append(
                (mark.inside(error.offset, error.length) if error.length else mark).problem(str(error))
            )
            return
        if mapper.name != name:
            told = f'this file is the mapper "{name}"'
            self._problems.append(locate(tree, ("mapper",)).problem(told, help=f"write `mapper: {name}`"))

    def _schema(self, use: Use, tree: Node) -> None:
        if use.text in self._schemas:
            return
        self._schemas.add(use.text)
        mark = locate(tree, use.location)
        path = find_schema(self._loaded.root, use.text)
        if path is None:
            told = f'there is no schema "{use.text}"'
            self._problems.append(mark.problem(told, help=hint(use.text, self._events)))
            return
        from engine.codecs.json.schema import Schema, SchemaInvalid  # heavy, and most routes have none

        try:
            Schema(json.loads(path.read_text(encoding="utf-8")))
        except (SchemaInvalid, OSError, ValueError, AttributeError) as error:
            self._problems.append(mark.problem(f'the schema "{use.text}" cannot be used: {error}'))


class _Unused:
    """Stands for a compiled template: a mapper is built here to be checked, never to be applied."""

    names: frozenset[str] = frozenset()

    def evaluate(self, scope: Scope) -> str:
        raise NotImplementedError("this mapper was built to be checked")


def _make(root: Any) -> Document:
    raise NotImplementedError("this mapper was built to be checked")


def _told(error: ExpressionError | NotFound, tree: Node, location: Location) -> Problem:
    """Return what cannot be compiled, under the very characters."""
    mark = locate(tree, location)
    if isinstance(error, ExpressionError):
        return mark.inside(error.offset, error.length).problem(str(error), help=error.help)
    return mark.problem(str(error))


def _event_schemas(root: Path) -> Iterable[Path]:
    for folder in folders(root, "mappings"):
        yield from (folder / "events").glob("*.json")
