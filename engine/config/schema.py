"""JSON Schemas (draft-07) of what users write, for editors: made from the models that validate it.

An editor's YAML parser gives numbers and booleans where we see text, and it sees insertions before they are filled:
both are allowed for. What only `check` can see (names, files, dates) is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from engine.config.docstrings import described, summary
from engine.config.mapper_schema import mapper_schema
from engine.config.mappers import MapperFile
from engine.config.models import keys_of
from engine.config.partner import PartnerFile
from engine.config.places import HostPort
from engine.config.quantities import Backoff, Rate, duration_text
from engine.config.reading import TEXT, insertable
from engine.config.route import RouteConfig
from engine.config.settings import AppConfig

DRAFT = "http://json-schema.org/draft-07/schema#"
FILES: Mapping[str, type[BaseModel]] = {
    "config": AppConfig,
    "route": RouteConfig,
    "partner": PartnerFile,
    "mapper": MapperFile,
}
"""Kinds of files and their models; tests of routes are described by the room that runs them."""


def configuration_schemas() -> dict[str, JsonSchemaValue]:
    """Return the schemas of configuration, route, partner and mapper files, by kind."""
    found = {kind: document_schema(model, title=f"Passerelle: {kind}") for kind, model in FILES.items()}
    return {**found, "mapper": mapper_schema(found["mapper"])}


def document_schema(model: type[BaseModel], *, title: str) -> JsonSchemaValue:
    """Return the draft-07 schema of files that `model` validates, every key with its description."""
    made = model.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Generator)
    definitions = made.pop("$defs", {})
    schema = {"$schema": DRAFT, **made, "title": title, "definitions": definitions}
    tidied = _tidy(schema)
    if not isinstance(tidied, dict):
        raise TypeError("a schema of a model is an object")
    return tidied


def written(value: object) -> Any:
    """Return a default as people would write it; None where it has no short form."""
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Backoff | Rate | HostPort | PurePath | date):
        return str(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value) or None
    if isinstance(value, tuple) and value:
        return [written(item) for item in value]
    return None


class _Generator(GenerateJsonSchema):
    """pydantic's generator, in our users' words."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Add what the docstrings say."""
        made = super().model_schema(schema)
        model = schema["cls"]
        told = described(model)
        for name, key in zip(model.model_fields, keys_of(model), strict=True):
            if name in told and key in made.get("properties", {}):
                made["properties"][key] = {**made["properties"][key], "description": told[name]}
        made.pop("title", None)
        if about := summary(model):
            made["description"] = about
        return made

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Text may look like a number or a boolean."""
        return {**super().str_schema(schema), **TEXT}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """A word may be inserted."""
        return insertable(super().literal_schema(schema))

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """A number may be inserted."""
        return insertable(super().int_schema(schema))

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key that may be left out is not a key that may hold nothing."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Show defaults as they are written."""
        inner = self.generate_inner(schema["schema"])
        default = written(schema.get("default"))
        return inner if default is None else {**inner, "default": default}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Names are checked as names, whatever stands beside them."""
        made: JsonSchemaValue = {"type": "object"}
        if "values_schema" in schema:
            made["additionalProperties"] = self.generate_inner(schema["values_schema"])
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        for choice in (keys, *keys.get("anyOf", [])):
            if "pattern" in choice:
                made["propertyNames"] = {"pattern": choice["pattern"]}
                break  # an insertion, the other choice, cannot stand in a key
        return made


def _tidy(node: Any) -> Any:
    """Drop titles, and put what stands beside a reference around it: draft-07 ignores it there."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {
        key: {name: _tidy(child) for name, child in value.items()} if key in _NAMED else _tidy(value)
        for key, value in node.items()
        if key != "title" or "$schema" in node
    }
    if "$ref" in tidied and len(tidied) > 1:
        reference = tidied.pop("$ref")
        return {"allOf": [{"$ref": reference}], **tidied}
    return tidied


_NAMED = frozenset({"properties", "definitions", "patternProperties"})
"""Keywords below which keys are names of ours, not keywords."""
