"""Compiles what two-way mappers compute: texts over an event's data, and places in documents of each side."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from engine.codecs import codec
from engine.expressions import Template, compile_template
from engine.spi import CompiledPath
from engine.steps.two_way import CODECS

NAMES: Final = ("msg", "meta", "sender", "partner")
"""What a computed value may read: the event's data, and what a route knows of its message."""


class Workbench:
    """Implements `engine.mapping.computing.Workbench`."""

    def template(self, text: str, tables: Collection[str]) -> Template:
        """Compile a text with `{expression}` parts; ExpressionError with its place."""
        return compile_template(text, codec(CODECS["event"]), names=NAMES, tables=frozenset(tables))

    def path(self, side: str, text: str) -> CompiledPath:
        """Compile a place in a document of a side; ExpressionError with its place."""
        return codec(CODECS[side]).path(text)


WORKBENCH: Final = Workbench()
