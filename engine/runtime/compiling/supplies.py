"""What routes of one configuration share: partners, tables, mappers and schemas, each read once and compiled once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.codecs import codec
from engine.codecs.json import JsonDocument, Schema, SchemaInvalid
from engine.config.compose import compose_file
from engine.config.gather import printed
from engine.config.loaded import Loaded
from engine.config.nodes import MapNode, locate
from engine.config.partner import CertificateTrust, PartnerConfig
from engine.config.shipped import find_mapper, find_schema
from engine.config.two_way import two_way
from engine.errors import ConfigurationError, ExpressionError, NotFound, Problem
from engine.expressions import Expression, Template, compile_template
from engine.mapping.one_way import MappingProblem, OneWayMapper, compile_one_way
from engine.partners.directory import Directory, Partner, Trust
from engine.runtime.compiling.sides import Sides
from engine.security.identity import UnusableCertificate, authority_name
from engine.spi import Scope, TwoWay

_HARMLESS_META = frozenset({"id", "listener", "received", "event.type"})
"""Facts of `meta` that say nothing about a person; a file's name or an event's subject may."""


class Supplies:
    """Everything that `check` found to be there; a file that went away since is a ConfigurationError."""

    def __init__(self, loaded: Loaded, *, like: Supplies | None = None) -> None:
        """Read them, but for partners and tables where `like` has those of the same config.yaml."""
        self.loaded = loaded
        same = like if like is not None and like.loaded.app is loaded.app else None
        self.directory: Directory = same.directory if same else directory_of(loaded)
        self.tables: Mapping[str, Mapping[str, str]] = same.tables if same else _tables(loaded)
        self._mappers: dict[tuple[str, str], OneWayMapper] = {}
        self.sides = Sides(loaded)
        self._kinds: set[tuple[str, str]] = set()
        self.expressions: dict[tuple[str, str], Expression] = {}
        """What routes have in common is compiled once: by text and codec."""
        self._schemas: dict[str, Schema | None] = {}

    def mapper(self, name: str, codec_name: str) -> OneWayMapper:
        """Return a mapper whose templates read documents of a codec.

        Raises:
            NotFound: there is no such mapper.
            ConfigurationError: its file does not compile.
        """
        found = self._mappers.get((name, codec_name))
        if found is None:
            found = self._mappers[name, codec_name] = self._compile_mapper(name, codec_name)
        return found

    def two_way(self, name: str) -> TwoWay | None:
        """Return a two-way mapper, None where the mapper of that name is one-way.

        Raises:
            NotFound: there is no such mapper.
            ConfigurationError: its file does not compile.
        """
        if find_mapper(self.loaded.root, name) is None:
            raise NotFound(f"there is no mapper {name!r}")
        return two_way(self.loaded.root, name)

    def kindless(self, name: str, codec_name: str) -> bool:
        """Say whether what a mapper makes depends neither on the message nor on its event type."""
        return self.mapper(name, codec_name).content_free and (name, codec_name) not in self._kinds

    def schema(self, name: str) -> Schema:
        """Return a JSON Schema by file or event type; NotFound, ConfigurationError."""
        found = self.event_schema(name)
        if found is None:
            raise NotFound(f"there is no schema {name!r}")
        return found

    def event_schema(self, kind: str) -> Schema | None:
        """Return the schema of an event type, None where nothing describes it; ConfigurationError."""
        if kind not in self._schemas:
            path = find_schema(self.loaded.root, kind)
            self._schemas[kind] = None if path is None else _schema(path)
        return self._schemas[kind]

    def _compile_mapper(self, name: str, codec_name: str) -> OneWayMapper:
        path = find_mapper(self.loaded.root, name)
        if path is None:
            raise NotFound(f"there is no mapper {name!r}")
        problems: list[Problem] = []
        tree = compose_file(path, printed(path), problems)
        if not isinstance(tree, MapNode):
            raise ConfigurationError(problems)
        reader = codec(codec_name)

        def template(text: str, trail: tuple[str | int, ...]) -> _Watched:
            try:
                compiled = compile_template(text, reader)
                if reads_kind(compiled.paths):
                    self._kinds.add((name, codec_name))
                return _Watched.of(compiled)
            except ExpressionError as error:
                raise MappingProblem(str(error), trail, offset=error.offset, length=error.length) from error

        try:
            return compile_one_way(tree, template=template, make=JsonDocument)
        except MappingProblem as error:
            mark = locate(tree, error.trail)
            raise ConfigurationError([mark.inside(error.offset, error.length).problem(str(error))]) from error


@dataclass(frozen=True, slots=True)
class _Watched:
    """A template that counts as reading the message where it reads what only the message can have told."""

    names: frozenset[str]
    evaluate: Callable[[Scope], Any]

    @classmethod
    def of(cls, template: Template) -> _Watched:
        return cls(names_read(template.names, template.paths), template.evaluate)


def names_read(names: frozenset[str], paths: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the names that a text reads, with `source` where it reads a fact of `meta` that may hold content."""
    telling = any(name == "meta" and path not in _HARMLESS_META for name, path in paths)
    return names | {"source"} if telling else names


def reads_kind(paths: Iterable[tuple[str, str]]) -> bool:
    """Say whether a text reads the event's type, or so much of `meta` that it may."""
    return any(name == "meta" and path in ("", "event", "event.type") for name, path in paths)


def directory_of(loaded: Loaded) -> Directory:
    """Return the partners of a configuration, indexed.

    Raises:
        ConfigurationError: an authority's file cannot be read.
    """
    authorities: dict[Path, str] = {}

    def authority(path: Path) -> str:
        if path not in authorities:
            try:
                authorities[path] = authority_name(loaded.root / path)
            except UnusableCertificate as error:
                raise ConfigurationError([Problem(str(path), 1, 1, str(error))]) from error
        return authorities[path]

    def trust(written: CertificateTrust) -> Trust:
        issuer = authority(written.issuer) if written.issuer else ""
        return Trust(issuer, written.san or "", written.sha256 or "")

    def partner(name: str, written: PartnerConfig) -> Partner:
        contact = written.contact
        return Partner(
            name,
            identifiers=written.identifiers,
            contact={
                "name": contact.name,
                "phone": contact.phone,
                "email": contact.email,
                "hours": str(contact.hours or ""),
            },
            endpoints={short: endpoint.phi for short, endpoint in written.endpoints.items()},
            certificates=[trust(each) for each in written.certificates],
            zone=written.zone or loaded.app.engine.zone,
            more={"owner": written.owner, "ticket": written.ticket, "tags": list(written.tags)},
        )

    return Directory(partner(name, written) for name, written in loaded.partners.items())


def _tables(loaded: Loaded) -> Mapping[str, Mapping[str, str]]:
    return {
        name: _table(loaded.root / table.csv, table.key, table.value)
        for name, table in loaded.app.tables.items()
    }


def _table(path: Path, key: str, value: str) -> Mapping[str, str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row[key]: row[value] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        told = f"cannot be read as CSV with the columns {key} and {value}"
        raise ConfigurationError([Problem(printed(path), 1, 1, told)]) from error


def _schema(path: Path) -> Schema:
    try:
        return Schema(json.loads(path.read_text(encoding="utf-8")))
    except (SchemaInvalid, OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            [Problem(printed(path), 1, 1, f"cannot be used as a schema: {error}")]
        ) from error
