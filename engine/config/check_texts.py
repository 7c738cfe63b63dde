"""Compiles every expression, template and path that routes and mappers hold, and puts carets inside their texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.codecs import codec, codec_names
from engine.config import formats
from engine.config.doors import known_events
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.mapped import codec_past
from engine.config.mappers import Mappers
from engine.config.nodes import Location, MapNode, Node, find, locate
from engine.config.route import EndpointText
from engine.config.shipped import find_schema
from engine.config.suggest import did_you_mean, hint
from engine.config.text import Mark
from engine.config.uses import Use
from engine.errors import ExpressionError, Problem
from engine.expressions import Expression, Template, compile_expression, compile_template
from engine.mapping.one_way import compile_one_way
from engine.spi import Document
from engine.steps.validate import STRUCTURES

NAMES = ("msg", "source", "vars", "meta", "sender", "partner", "memory")
"""Names that exist while a message is routed."""
_ITEM = "item "
"""Begins what a text is that stands inside `each`, where `it` exists, too."""
_REPLY = "reply "
"""Begins what a text is that reads a partner's answer, and nothing else."""


def check_texts(loaded: Loaded, mappers: Mappers, problems: list[Problem]) -> None:
    """Check the texts of all routes and of every mapper and schema that they name."""
    room = _Texts(loaded, mappers, problems)
    for route in loaded.routes:
        room.check_route(route)


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one text was understood: fully bracketed, each path as its codec reads it."""

    mark: Mark
    text: str
    understood: str


def explanations(loaded: Loaded, route: LoadedRoute) -> Iterator[Explanation]:
    """Explain the expressions and templates of a route that was checked, in the order of its keys."""
    for name in sorted(codecs_of(loaded, route)):
        for use in route.uses:
            if use.what.removeprefix(_ITEM) in ("expression", "template") and not _reply_at(use.location):
                answer = formats.answer_codec(loaded, route.config)
                reader = _codec_at(loaded.root, route.tree, use.location, name, answer)
                made = compiled(use.what, use.text, reader, frozenset(loaded.app.tables))
                if made is not None:
                    yield Explanation(locate(route.tree, use.location), use.text, made.explain())
    for use, name in _about_replies(loaded, route):
        made = compiled(use.what, use.text, name, frozenset(loaded.app.tables))
        if made is not None:
            yield Explanation(locate(route.tree, use.location), use.text, made.explain())


def _about_replies(loaded: Loaded, route: LoadedRoute) -> Iterator[tuple[Use, str]]:
    """Give the texts that read a partner's answer, each with every codec that its endpoints' channels answer in."""
    for use in route.uses:
        at = _reply_at(use.location)
        destination = find(route.tree, use.location[:at]) if at else None
        if isinstance(destination, MapNode):
            endpoint = EndpointText.retell(str(destination["endpoint"]))
            for name in sorted(formats.reply_codecs(loaded, endpoint)):
                yield Use(_REPLY + use.what, use.text, use.location), name


def codecs_of(loaded: Loaded, route: LoadedRoute) -> set[str]:
    """Return the codecs that a route is compiled for, those that there are."""
    return formats.codecs_of(loaded, route).intersection(codec_names()) or {formats.DEFAULT_CODEC}


class _Texts:
    """Compiles what routes hold; each mapper and schema once per codec, however many routes share it."""

    def __init__(self, loaded: Loaded, mappers: Mappers, problems: list[Problem]) -> None:
        self._loaded = loaded
        self._mappers = mappers
        self._problems = problems
        self._tables = frozenset(loaded.app.tables)
        self._checked: set[tuple[str, str]] = set()
        self._schemas: set[str] = set()
        self._events = set(known_events(loaded))

    def check_route(self, route: LoadedRoute) -> None:
        """Check one route for every codec that its listeners read."""
        for name in sorted(codecs_of(self._loaded, route)):
            answer = formats.answer_codec(self._loaded, route.config)
            for use in route.uses:
                if not _reply_at(use.location):
                    self._check(use, route.tree, name, answer)
        for use, codec_name in _about_replies(self._loaded, route):
            self._compile(use, route.tree, codec_name, self._tables)
        for index, event in enumerate(route.config.accept.events):
            meant = did_you_mean(event, self._events) if event not in self._events else ""
            if meant:
                mark = locate(route.tree, ("accept", "events", index))
                told = f'no schema describes the event "{event}"'
                self._problems.append(mark.problem(told, help=f'did you mean "{meant}"?', severity="warning"))

    def _check(self, use: Use, tree: MapNode, source: str, answer: str) -> None:
        name = _codec_at(self._loaded.root, tree, use.location, source, answer)
        if use.what == "mapper":
            self._mapper(use, tree, name)
        elif use.what == "schema":
            self._schema(use, tree)
        else:
            self._compile(use, tree, name, self._tables, source=source)

    def _compile(
        self, use: Use, tree: Node, name: str, tables: frozenset[str], *, source: str = ""
    ) -> Template | Expression | None:
        """Compile one text for documents of the codec `name`; `source` is the codec of what was received."""
        try:
            made = compiled(use.what, str(use.text), name, tables)
            if made is not None and "source" in made.names and source not in ("", name):
                raise ExpressionError(
                    f"source is {source}, and the document here is {name}",
                    offset=max(0, use.text.find("source")),
                    length=len("source"),
                    help="keep what is needed of it before `map`",
                )
            return made
        except ExpressionError as error:
            mark = locate(tree, use.location).inside(error.offset, error.length)
            self._problems.append(mark.problem(str(error), help=error.help))
            return None

    def _mapper(self, use: Use, tree: Node, name: str) -> None:
        if not self._mappers.exists(use.text):
            told, help = f'there is no mapper "{use.text}"', hint(use.text, self._mappers.names())
            self._problems.append(locate(tree, use.location).problem(told, help=help))
        elif (use.text, name) not in self._checked:
            self._checked.add((use.text, name))
            self._check_mapper(use.text, name)
        if (mapper := self._mappers.two_way(use.text)) is not None:
            from engine.config.check_mapping import (
                check_mapping,  # heavy, and many projects map nothing two ways
            )

            check_mapping(use, tree, name, mapper, self._problems)

    def _check_mapper(self, mapper: str, name: str) -> None:
        found = self._mappers.two_way(mapper)
        tree, tables = self._mappers.tree(mapper), self._mappers.tables(mapper)
        if found is not None or tree is None:
            return

        def template(text: str, trail: Location) -> _Unused:
            self._compile(Use("template", text, trail), tree, name, tables)
            return _Unused()

        made = compile_one_way(tree, template=template, make=_make)
        if made.name != mapper:
            told = f'this file is the mapper "{mapper}"'
            self._problems.append(locate(tree, ("mapper",)).problem(told, help=f"write `mapper: {mapper}`"))

    def _schema(self, use: Use, tree: Node) -> None:
        if use.text in self._schemas or use.text == STRUCTURES:
            return
        self._schemas.add(use.text)
        mark = locate(tree, use.location)
        path = find_schema(self._loaded.root, use.text)
        if path is None:
            told = f'there is no schema "{use.text}"'
            self._problems.append(mark.problem(told, help=hint(use.text, [*self._events, STRUCTURES])))
            return
        from engine.codecs.json.schema import Schema, SchemaInvalid  # heavy, and most routes have none

        try:
            Schema(json.loads(path.read_text(encoding="utf-8")))
        except (SchemaInvalid, OSError, ValueError, AttributeError) as error:
            self._problems.append(mark.problem(f'the schema "{use.text}" cannot be used: {error}'))


@lru_cache(maxsize=8192)
def compiled(what: str, text: str, name: str, tables: frozenset[str]) -> Template | Expression | None:
    """Compile one text for documents of the codec `name`; None for a path, which explains itself.

    What compiled once is remembered: routes share texts, and a reload changes few of them.

    Raises:
        ExpressionError: with offset and length within `text`.
    """
    reader = codec(name)
    names = (*NAMES, "it") if what.startswith(_ITEM) else ("reply",) if what.startswith(_REPLY) else NAMES
    what = what.removeprefix(_ITEM).removeprefix(_REPLY)
    if what == "expression":
        return compile_expression(text, reader, names=names, tables=tables)
    if what == "template":
        return compile_template(text, reader, names=names, tables=tables)
    reader.path(text)
    return None


def _reply_at(location: Location) -> int:
    """Return where in a location a text about an answer begins, 0 for any other text."""
    places = range(2, len(location)) if location[0] == "to" else ()
    wanted = ("on_reply", "remember")
    return next((at for at in places if location[at] in wanted and isinstance(location[at - 1], int)), 0)


def _codec_at(root: Path, tree: MapNode, location: Location, source: str, answer: str) -> str:
    """Return the codec of the document at a place of a route: a `map` before it makes another one.

    `source` is the codec of what was received, `answer` that of what the destination says.
    """
    source = answer if location[0] == "acknowledge" else source
    before: list[tuple[Location, int | None]] = [(("steps",), None)] if location[0] == "to" else []
    for index, step in enumerate(location):
        if step == "steps" and isinstance(number := location[index + 1], int):
            before.append((location[: index + 1], number))
        elif step == "fallback":
            before.append(((*location[:index], "steps"), None))
    for place, until in before:
        source = codec_past(root, find(tree, place), source, until)
    return source


class _Unused:
    """Stands for a compiled template: a mapper is built here to be checked, never to be applied."""

    names: frozenset[str] = frozenset()

    def evaluate(self, scope: Any) -> str:
        raise NotImplementedError("this mapper was built to be checked")


def _make(root: Any) -> Document:
    raise NotImplementedError("this mapper was built to be checked")
