"""How a scalar is read from text, what to tell when it cannot be, and what an editor may accept in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.config.text import Text, shown

Schema = Mapping[str, Any]

TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""What an editor's YAML parser may make of text: `01234` and `true` are text to us."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one kind of scalar is read.

    `noun` completes "is not ..." and "expected ...", `write` tells what to write instead. `read` gets the text and
    raises ValueError, with a message of its own where it knows better.
    """

    noun: str
    write: str
    accepts: type | tuple[type, ...]
    read: Callable[[str], object]
    schema: Schema = field(default_factory=lambda: TEXT, compare=False)

    def __call__(self, value: object) -> object:
        """Validate one value; raises PydanticCustomError, whose context may hold `help`."""
        if isinstance(value, self.accepts) and not isinstance(value, Text):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError(
                "kind", "expected {noun}, found {found}", {"noun": self.noun, "found": kind(value)}
            )
        try:
            return self.read(value)
        except ValueError as error:
            told = (
                str(error) or f'"{shown(value)}" is not {self.noun}'
                if value
                else f"expected {self.noun}, found nothing"
            )
            raise PydanticCustomError("scalar", "{told}", {"told": told, "help": self.write}) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return insertable(self.schema)


def insertable(schema: Schema) -> JsonSchemaValue:
    """Return `schema` or an insertion in its place; what takes any text takes that, too."""
    if schema in (TEXT, {"type": "string"}):
        return dict(schema)
    return {"anyOf": [dict(schema), {"type": "string", "pattern": r"\$\{(env|file|cred):"}]}


def kind(value: object) -> str:
    """Name the shape of a value in the words of a YAML user."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or value == "":
        return "nothing"
    return f'"{shown(value)}"' if isinstance(value, str) else type(value).__name__


def matching(noun: str, write: str, pattern: str) -> Reading:
    """Return how to read text that matches `pattern` as a whole; the value keeps its place in the file."""
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError
        return text

    return Reading(noun, write, (), read, {**TEXT, "pattern": f"^(?:{pattern})$"})
