"""One-way mappers: a template tree that builds a new JSON document, for notifications that nobody reads back.

A file says `mapper`, `version`, optional `tables`, and `document`: a tree of mappings, lists and templates. A text
that is one `{expression}` keeps the value's type; a key whose value is absent ("") is left out, as is a branch in
which nothing is left; `null` stays. `tables: {name: {key: value}}` are read by `table('name', key)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import PasserelleError
from engine.spi import Document, Scope

_ABSENT = ""


class MappingProblem(PasserelleError):
    """A text of a mapper file does not compile: `trail` leads to it, `offset` and `length` are inside it."""

    def __init__(
        self, message: str, trail: tuple[str | int, ...], *, offset: int = 0, length: int = 0
    ) -> None:
        super().__init__(message)
        self.trail = trail
        self.offset = offset
        self.length = length


class Rendered(Protocol):
    """A compiled template; `names` are the names that it reads (`msg`, `meta`, `partner`, ...)."""

    @property
    def names(self) -> frozenset[str]: ...

    def evaluate(self, scope: Scope) -> Any: ...


Compile = Callable[[str, tuple[str | int, ...]], Rendered]
"""Compiles a template text found at a trail; raises MappingProblem."""
Build = Callable[[Scope], Any]
Revise = Callable[[Any, Scope], Any]
"""Makes a branch again from what it was; what reads no `meta` is taken over as it is."""
MakeDocument = Callable[[Any], Document]

_CONTENT = frozenset({"msg", "source", "vars", "it", "reply", "memory"})
"""Names through which a document's content can reach a template."""


@dataclass(frozen=True, slots=True)
class OneWayMapper:
    """A compiled one-way mapper; `apply` never changes its source document.

    `content_free` is found, not declared: no template reads the message, so nothing of it can leave this way.
    """

    name: str
    version: str
    build: Build
    rebuild: Revise
    tables: Mapping[str, Mapping[str, str]]
    make: MakeDocument
    content_free: bool

    def apply(self, document: Document, scope: Scope) -> Document:
        """Return the new document, a JSON object."""
        outer = scope.tables
        if self.tables:
            scope.tables = {**outer, **self.tables}
        root = self.build(scope)
        scope.tables = outer
        return self.make({} if root == _ABSENT else root)

    def revise(self, made: Document, scope: Scope) -> Document:
        """Return what `apply` would, where `scope` differs only in `meta` from the one that `made` was made in.

        The new document shares the branches of `made` that read no `meta`.
        """
        outer = scope.tables
        if self.tables:
            scope.tables = {**outer, **self.tables}
        root = self.rebuild(made.root, scope)
        scope.tables = outer
        return self.make({} if root == _ABSENT else root)


def compile_one_way(definition: Mapping[str, Any], *, template: Compile, make: MakeDocument) -> OneWayMapper:
    """Compile a mapper from its file's plain content, in which every scalar is text.

    The shape of `definition` is taken as checked: `engine.config.mappers.mapper_tree` alone says what a mapper's file
    may hold. Raises what `template` raises for a text that does not compile.
    """
    read: set[str] = set()

    def compile_text(text: str, trail: tuple[str | int, ...]) -> Rendered:
        rendered = template(text, trail)
        read.update(rendered.names)
        return rendered

    root = _compile(definition["document"], ("document",), compile_text)
    return OneWayMapper(
        name=str(definition["mapper"]),
        version=str(definition["version"]),
        build=root.build,
        rebuild=root.revise,
        tables={name: dict(rows) for name, rows in definition.get("tables", {}).items()},
        make=make,
        content_free=not read & _CONTENT,
    )


@dataclass(frozen=True, slots=True)
class _Branch:
    """A compiled node; `fixed` says that it reads no `meta`."""

    build: Build
    revise: Revise
    fixed: bool


def _compile(node: Any, trail: tuple[str | int, ...], template: Compile) -> _Branch:
    if isinstance(node, Mapping):
        return _mapping({key: _compile(value, (*trail, key), template) for key, value in node.items()})
    if isinstance(node, list | tuple):
        return _list([_compile(value, (*trail, index), template) for index, value in enumerate(node)])
    rendered = template(str(node), trail)
    evaluate = rendered.evaluate
    return _Branch(evaluate, lambda old, scope: evaluate(scope), "meta" not in rendered.names)


def _mapping(children: Mapping[str, _Branch]) -> _Branch:
    items = tuple((key, child.build) for key, child in children.items())
    moving = tuple((key, None if child.fixed else child.revise) for key, child in children.items())

    def build(scope: Scope) -> Any:
        return {key: value for key, child in items if (value := child(scope)) != _ABSENT} or _ABSENT

    def revise(old: Any, scope: Scope) -> Any:
        known = {} if old == _ABSENT else old
        made = {}
        for key, change in moving:
            value = known.get(key, _ABSENT)
            if change is not None:
                value = change(value, scope)
            if value != _ABSENT:
                made[key] = value
        return made or _ABSENT

    return _Branch(build, revise, all(child.fixed for child in children.values()))


def _list(children: list[_Branch]) -> _Branch:
    builds = tuple(child.build for child in children)

    def build(scope: Scope) -> Any:
        return [value for child in builds if (value := child(scope)) != _ABSENT] or _ABSENT

    # what was absent has left no gap, so nothing tells which of the old items is which
    return _Branch(build, lambda old, scope: build(scope), all(child.fixed for child in children))
