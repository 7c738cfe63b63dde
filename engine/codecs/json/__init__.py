"""JSON and CloudEvents 1.0: decimals keep their text, duplicate keys are refused, events are taken apart."""

from __future__ import annotations

from engine.codecs.json.codec import CODEC, JsonCodec
from engine.codecs.json.document import JsonDocument
from engine.codecs.json.paths import JsonPath, compile_path, dotted, path_extent, pointer
from engine.codecs.json.reading import read_json
from engine.codecs.json.schema import Schema, SchemaInvalid
from engine.codecs.json.writing import write_json

__all__ = [
    "CODEC",
    "JsonCodec",
    "JsonDocument",
    "JsonPath",
    "Schema",
    "SchemaInvalid",
    "compile_path",
    "dotted",
    "path_extent",
    "pointer",
    "read_json",
    "write_json",
]
