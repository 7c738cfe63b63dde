"""What may be written into a JSON document: copies of JSON's own kinds of value, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.errors import Rejected
from engine.model import Fault

_LEAVES = (str, int, Decimal, type(None))


def json_value(value: Any, at: str) -> Any:
    """Return `value`, its mappings and sequences copied into plain dicts and lists.

    Raises:
        Rejected: something in it is no JSON value; `at` is the path that the fault names. Binary floats are none
            here: they would change a number's text.
    """
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: json_value(item, at) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item, at) for item in value]
    text = f"a {type(value).__name__} is no JSON value"
    raise Rejected(f"{at}: {text}", faults=(Fault(at, text, "unwritable"),), code="unwritable")
