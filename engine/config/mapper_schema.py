"""JSON Schema (draft-07) of mapper files for editors: one-way templates, two-way rules, and files of shapes.

What only the loader can see is left to it: whether a path is R4's, whether two rules read one leaf, names of tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.config.reading import TEXT
from engine.mapping.reading import KINDS
from engine.mapping.slots import BUNDLES

Schema = dict[str, Any]
_TEXT: Final[Schema] = dict(TEXT)
_TEXTS: Final[Schema] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_WORDS: Final[Schema] = {"type": "object", "additionalProperties": _TEXT}
_CODES: Final[Schema] = {"type": "object", "additionalProperties": _TEXTS}
_EVENT: Final = r"^(\.|[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*(\[\])?)$"
_V2: Final = r"^([A-Z][A-Z0-9]{2}-[1-9][0-9]{0,2})?(\.[1-9][0-9]?)*$"
_SEGMENT: Final[Schema] = {"type": "string", "pattern": "^[A-Z][A-Z0-9]{2}$"}
_SEGMENTS: Final[Schema] = {"anyOf": [_SEGMENT, {"type": "array", "items": _SEGMENT, "minItems": 1}]}
_V2_TEXT: Final[Schema] = {"type": ["string", "number"], "pattern": _V2}
_V2_TEXTS: Final[Schema] = {"anyOf": [_V2_TEXT, {"type": "array", "items": _V2_TEXT, "minItems": 1}]}


def mapper_schema(one_way: Mapping[str, Any]) -> Schema:
    """Return the schema of all mapper files; `one_way` is that of files with a `document:`."""
    inner = {key: value for key, value in one_way.items() if key not in ("$schema", "title", "definitions")}
    two_way: Schema = {"anyOf": [{"required": ["mapper"]}, {"required": ["rules"]}]}
    return {
        "$schema": one_way["$schema"],
        "title": one_way["title"],
        "description": "A mapper: two-way rules, a one-way document, or shapes and tables that others include.",
        "type": "object",
        "if": {"required": ["document"]},
        "then": {"$ref": "#/definitions/OneWayMapper"},
        "else": {
            "if": two_way,
            "then": {"$ref": "#/definitions/TwoWayMapper"},
            "else": {"$ref": "#/definitions/Shapes"},
        },
        "definitions": {**one_way.get("definitions", {}), "OneWayMapper": inner, **_definitions()},
    }


def _definitions() -> Schema:
    shared = {"tables": _tables(), "shapes": _shapes(), "description": _told(_TEXT, "For people.")}
    return {
        "TwoWayMapper": {
            **_closed(
                "A two-way mapper: one rule list, from which both directions are made.", _top() | shared
            ),
            "required": ["mapper", "version"],
            "anyOf": [{"required": ["rules"]}, {"required": ["extends"]}],
        },
        "Shapes": _closed("Shapes and tables that mappers include.", shared),
        "MapperRule": _rule(),
        "MapperSlot": _slot(),
    }


def _told(schema: Mapping[str, Any], description: str) -> Schema:
    return {**schema, "description": description}


def _closed(description: str, properties: Mapping[str, Any]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": dict(properties),
    }


def _top() -> Schema:
    name: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"}
    return {
        "mapper": _told(name, "Its name, that of the file."),
        "version": _told({**_TEXT, "minLength": 1}, "Its version; complements tell which one made them."),
        "extends": _told(name, "A mapper whose rules, tables and shapes these are laid over."),
        "include": _told(_TEXTS, "Files of shapes and tables, by name."),
        "v2": _closed(
            "The HL7 v2 side: its messages, and how one is made.",
            {
                "messages": _told(_TEXTS, "Message types: SIU^S12."),
                "order": _told({"type": "array", "items": _SEGMENT}, "Segments of a made message in order."),
                "create": _told(
                    {"type": "string"}, "What a made message begins as; leaves that rules read are empty."
                ),
            },
        ),
        "fhir": _closed(
            "The FHIR R4 side: its resources.",
            {
                "bundle": _told({"enum": list(BUNDLES)}, "The kind of Bundle; none: one resource alone."),
                "seed": _told(_TEXTS, "Event paths that ids are made of."),
                "others": _others(),
                "slots": _told(
                    {
                        "type": "object",
                        "propertyNames": {"pattern": "^[A-Z]"},
                        "additionalProperties": {"$ref": "#/definitions/MapperSlot"},
                    },
                    "The resources, by the name that FHIR paths begin with.",
                ),
            },
        ),
        "events": _told({"anyOf": [_TEXT, _events()]}, "The type of the event that the data mean."),
        "rules": _told(_rules(), "Where each fact of the event sits in each format."),
        "remove": _told(_TEXTS, "Rules of the extended mapper that do not count here, by event path."),
        "drop": _told(
            {
                "type": "array",
                "items": {**_closed("One place that is lost.", _drop()), "required": ["path", "reason"]},
            },
            "Places of a source that are lost on purpose.",
        ),
        "compute": _told({"type": "array", "items": _compute()}, "What is written, and never read back."),
    }


def _others() -> Schema:
    leaf = _closed(
        "One leaf that is inferred.",
        {
            "event": _told({"type": "string", "pattern": _EVENT}, "Its path in the event."),
            "from": _told(_TEXT, "The element whose code tells it: SLOT.element."),
            "codes": _told(_WORDS, "What each code means."),
            "else": _told(_TEXT, "What every other code means."),
        },
    )
    item = _closed(
        "One list whose items are told apart.",
        {
            "list": _told(_TEXT, "The list: SLOT.element."),
            "actors": _told(_WORDS, "The code of an item by the type that its actor has."),
            "known": _told(_TEXTS, "Codes of items that are told already."),
            "else": _told(_TEXT, "The code of the first item without a type."),
        },
    )
    made = _closed(
        "What documents of others mean, which do not have the resource of a slot.",
        {
            "without": _told(_TEXT, "The slot whose resource all documents of ours have."),
            "leaves": _told(
                {"type": "array", "items": {**leaf, "required": ["event", "from"]}}, "What is inferred."
            ),
            "items": _told({"type": "array", "items": {**item, "required": ["list"]}}, "What items are."),
        },
    )
    return {**made, "required": ["without"]}


def _drop() -> Schema:
    return {"path": _told(_TEXT, "The place: ZPV-3."), "reason": _told(_TEXT, "Why it may be lost.")}


def _compute() -> Schema:
    sides: Schema = {
        "v2": _told(_TEXTS, "Places of the message."),
        "fhir": _told(_TEXTS, "Places of resources."),
        "json": _told(_TEXTS, "Places of the document."),
    }
    value = _told(_TEXT, "A text with {expression} parts; msg is the event's data.")
    made = _closed("One computed value.", {**sides, "value": value})
    return {**made, "required": ["value"], "anyOf": [{"required": [side]} for side in sides]}


def _events() -> Schema:
    made = _closed(
        "The catalogue of a mapper.",
        {
            "by": _told(_TEXT, "The leaf whose code tells the type."),
            "types": _told(_WORDS, "Code to type; present: any value."),
            "else": _told(_TEXT, "The type of all others."),
            "subject": _told(_TEXTS, "What the event is about: the first of these leaves that has a value."),
        },
    )
    known = [{"required": ["types"]}, {"required": ["else"]}]
    return {**made, "dependencies": {"by": ["types"], "types": ["by"]}, "anyOf": known}


def _tables() -> Schema:
    row: Schema = {"type": "object", "additionalProperties": _TEXTS}
    table: Schema = {
        "type": "object",
        "properties": {
            "open": _told({"enum": ["true", "false", True, False]}, "Unlisted codes are taken as they stand.")
        },
        "additionalProperties": row,
    }
    of_all: Schema = {"type": "object", "additionalProperties": table}
    return _told(
        of_all, "Codes by table: event code, then a column for each format; of several the first is written."
    )


def _shapes() -> Schema:
    return _told(
        {"type": "object", "additionalProperties": _rules()},
        "Rules with relative paths, used by name: shape: cx.",
    )


def _rules() -> Schema:
    return {"type": "array", "items": {"$ref": "#/definitions/MapperRule"}}


def _rule() -> Schema:
    group = _closed(
        "A group of segments.",
        {
            "group": _told(_SEGMENTS, "The segments that it begins with."),
            "until": _told(_SEGMENTS, "Segments that end it."),
        },
    )
    present = _closed(
        "A choice of elements.", {"present": _told(_CODES, "Event code to the elements that tell it.")}
    )
    by: Schema = {"type": "object", "required": ["by"], "additionalProperties": _TEXT}
    default: Schema = {"anyOf": [_TEXT, by]}
    sides = {side: _told(default, f"Of the side {side}.") for side in ("v2", "fhir", "json", "dicom")}
    made = _closed(
        "One fact, object or list.",
        {
            "event": _told(
                {"type": "string", "pattern": _EVENT}, "Its path in the event; [] at its end is a list."
            ),
            "v2": {
                "anyOf": [*_V2_TEXTS["anyOf"], group],
                "description": "Its place in a message, alternates in order.",
            },
            "v2_also": _told(_V2_TEXTS, "Places that a made message has it at, too."),
            "fhir": {
                "anyOf": [*_TEXTS["anyOf"], present],
                "description": "Its place in R4; none: it has none here.",
            },
            "fhir_also": _told(_TEXTS, "Places that a made resource has it at, too."),
            "json": _told(_TEXTS, "Its place in a document of a partner's own making."),
            "dicom": _told(_TEXTS, "Its place in a data set, by keywords."),
            "type": _told({"enum": list(KINDS)}, "The type of its value; text without a word."),
            "table": _told(_TEXT, "The table of its codes; instead of a type."),
            "default": _closed("What is written where the event has no value.", sides),
            "fresh": _told({"enum": ["true", True]}, "A made message gets a new id there."),
            "when": _told(
                {**_CODES, "minProperties": 1}, "Leaves beside it and the codes for which it counts."
            ),
            "yields_to": _told(_TEXT, "The leaf that has the element if both have a value."),
            "key": _told(_TEXT, "The leaf by which items are told apart; by position without it."),
            "number": _told(_V2_TEXT, "The field that counts the segments of a group."),
            "rules": _told(_rules(), "What is below it."),
            "shape": _told(_TEXT, "A shape whose rules are below it."),
            "without": _told(_TEXTS, "Rules of the shape that do not count here."),
            "v2_constants": _told(_WORDS, "What a made segment has, by place."),
            "fhir_constants": _told(_WORDS, "What a made element has, by path."),
        },
    )
    return {**made, "required": ["event"], "not": {"required": ["type", "table"]}}


def _slot() -> Schema:
    link = _closed(
        "A reference from this resource to another slot's.",
        {
            "from": _told(_TEXT, "The reference in this resource."),
            "to": _told(_TEXT, "The slot that it leads to."),
        },
    )
    made = _closed(
        "One resource, or those of a list.",
        {
            "type": _told({"type": "string", "pattern": "^[A-Z][A-Za-z]+$"}, "Its type in R4."),
            "each": _told(_TEXT, "The list of the event each of whose items has one."),
            "link": _told({"anyOf": [_TEXT, link]}, "The reference that leads to it."),
            "where": _told(_WORDS, "What tells it from others of its type; written, too."),
            "constants": _told(_WORDS, "What it has when it is made."),
            "refs": _told(_WORDS, "References to slots; with ! the other resource is made if need be."),
            "always": _told(
                {"enum": ["true", True]}, "It is made whether or not the event has something for it."
            ),
            "contained": _told(_TEXT, "The slot that contains it."),
        },
    )
    return {**made, "required": ["type"]}
