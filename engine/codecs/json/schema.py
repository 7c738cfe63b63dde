"""JSON Schema (draft 2020-12), compiled once; what is wrong is said in our own words, without values.

The library's texts quote the message even when masked (property names, for one), so only the kind of failure and
what the schema itself says are used. Formats such as `date-time` and `email` are asserted. Patterns run on a
linear engine. References are resolved within the schema only: nothing is fetched.
Source: JSON Schema core and validation, draft 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from engine.codecs.json.numbers import SpelledDecimal
from engine.codecs.json.paths import dotted
from engine.errors import PasserelleError

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_FAULTS = 100


class SchemaInvalid(PasserelleError):
    """A schema is none; `trail` are the keys and indexes that lead to what is wrong in it."""

    def __init__(self, message: str, trail: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.trail = trail


class Schema:
    """One compiled schema; checking is pure and may be called from any thread."""

    __slots__ = ("_validator",)

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Compile a schema as decoded JSON; SchemaInvalid, also where `$schema` names another draft."""
        if not isinstance(definition, Mapping):
            raise SchemaInvalid("no JSON Schema: it is no object")
        if str(definition.get("$schema", DRAFT)).rstrip("#") != DRAFT:
            raise SchemaInvalid(f"no JSON Schema of the draft {DRAFT}", ("$schema",))
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                _plain(definition),
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(),
                mask="[...]",
                offline=True,
            )
        except jsonschema_rs.ValidationError as error:
            trail = tuple(error.instance_path)
            raise SchemaInvalid(f"no JSON Schema: {error.message}", trail) from None
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise SchemaInvalid(f"no JSON Schema: {error}") from None

    def faults(self, root: Any) -> list[tuple[str, str]]:
        """Return (dotted path, text without payload) for everything that is wrong, at most 100, [] when valid.

        `root` is a JSON value as the codec decodes it, decimals included.
        """
        readable = root if _is_plain(root) else _plain(root)
        if self._validator.is_valid(readable):
            return []
        errors = islice(self._validator.iter_errors(readable), MAX_FAULTS)
        return sorted({_fault(error) for error in errors})


def _is_plain(root: Any) -> bool:
    """Say whether the library understands all of `root`: it passes over a subclass of Decimal, such as 1E5, unread.

    Encoding visits every value at the speed of C, four times as fast as a walk in Python.
    """
    try:
        orjson.dumps(root, default=_no_spelled_decimal)
    except orjson.JSONEncodeError:
        return False
    return True


def _no_spelled_decimal(value: Any) -> None:
    if type(value) is not Decimal:
        raise TypeError


def _plain(value: Any) -> Any:
    if isinstance(value, SpelledDecimal):
        return Decimal(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _fault(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    """Return what one error of the library means, at the place that is wrong."""
    kind = error.kind
    trail = tuple(error.instance_path)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return dotted((*trail, kind.property)), "is missing"
    return dotted(trail), _text(kind)


def _text(kind: jsonschema_rs.ValidationErrorKind) -> str:
    """Say what is asked for; every value quoted here stands in the schema, none in the message."""
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        return f"must be {' or '.join(_TYPES[name] for name in kind.types)}"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        return f"must be one of {', '.join(map(_shown, kind.options[:20]))}"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Constant):
        return f"must be {_shown(kind.expected_value)}"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Format):
        return f"must be a {kind.format}"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Pattern):
        return f"must match {kind.pattern}"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return f"has {len(kind.unexpected)} key(s) that the schema does not know"
    if kind.name in _LIMITS:
        return _LIMITS[kind.name].format(limit=kind.as_dict()["limit"])
    return _WORDS.get(kind.name, f"breaks the schema's rule {kind.name}")


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


_TYPES = {"integer": "a whole number", "object": "an object", "array": "a list", "boolean": "true or false"}
_TYPES |= {"string": "a text", "number": "a number", "null": "null"}
_LIMITS = {
    "minLength": "must have at least {limit} character(s)",
    "maxLength": "must have at most {limit} character(s)",
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be greater than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "minItems": "must have at least {limit} item(s)",
    "maxItems": "must have at most {limit} item(s)",
    "minProperties": "must have at least {limit} key(s)",
    "maxProperties": "must have at most {limit} key(s)",
}
_WORDS = {
    "propertyNames": "has a key that the schema does not allow",
    "anyOf": "fits none of the forms that the schema allows",
    "oneOf": "must fit exactly one of the forms that the schema allows",
    "not": "has a form that the schema forbids",
    "falseSchema": "must not be there",
    "contains": "lacks an item that the schema asks for",
    "uniqueItems": "has an item twice",
    "multipleOf": "is no multiple of what the schema asks for",
    "unevaluatedProperties": "has keys that the schema does not know",
    "unevaluatedItems": "has items that the schema does not know",
}
