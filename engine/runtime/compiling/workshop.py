"""Compiles what a route holds for the codec of the document at that place; steps build themselves with it."""

from __future__ import annotations

from engine.codecs import codec
from engine.errors import ExpressionError
from engine.expressions import Expression, Template, compile_expression, compile_template
from engine.partners.directory import Directory
from engine.runtime.compiling.supplies import Supplies
from engine.spi import CompiledPath, Mapper, TwoWay
from engine.steps.contract import House, SchemaCheck

ROUTING_NAMES = ("msg", "source", "vars", "meta", "sender", "partner", "memory")
"""Names that exist while a message is routed; `it` and `reply` exist elsewhere."""


class Workshop:
    """The workshop of one route at one place; implements `engine.steps.contract.Workshop`.

    `source` is the codec of the message as received, `codec` that of the document now. `names` are those that what
    was compiled here reads.
    """

    def __init__(self, supplies: Supplies, codec_name: str, *, source: str) -> None:
        self.codec = codec(codec_name)
        self._supplies = supplies
        self._source = source
        self.names: frozenset[str] = frozenset()
        self._known: tuple[str, ...] = ROUTING_NAMES

    def within(self) -> Workshop:
        made = Workshop(self._supplies, self.codec.name, source=self._source)
        made._known = (*ROUTING_NAMES, "it")
        return made

    @property
    def directory(self) -> Directory:
        return self._supplies.directory

    def expression(self, text: str) -> Expression:
        known, key = self._supplies.expressions, (text, self.codec.name)
        made = known.get(key)
        if made is None or "it" in made.names:  # what reads `it` holds inside `each` only
            tables = self._supplies.tables
            made = known[key] = compile_expression(text, self.codec, names=self._known, tables=tables)
        self.names |= made.names
        self._check_source(made.names, text)
        return made

    def template(self, text: str) -> Template:
        made = compile_template(text, self.codec, names=self._known, tables=self._supplies.tables)
        self.names |= made.names
        self._check_source(made.names, text)
        return made

    def path(self, text: str) -> CompiledPath:
        return self.codec.path(text)

    def mapper(self, name: str) -> Mapper:
        return self._supplies.mapper(name, self.codec.name)

    def two_way(self, name: str) -> TwoWay | None:
        return self._supplies.two_way(name)

    @property
    def house(self) -> House:
        return self._supplies.sides

    def schema(self, name: str) -> SchemaCheck:
        return self._supplies.schema(name)

    def _check_source(self, names: frozenset[str], text: str) -> None:
        """Refuse `source` where its paths would be read as those of another format."""
        if "source" in names and self.codec.name != self._source:
            raise ExpressionError(
                f"source is {self._source}, and the document here is {self.codec.name}",
                offset=max(0, text.find("source")),
                length=len("source"),
                help="keep what is needed of it before `map`",
            )
