"""Leaf types on the v2 side: `parse` reads what stands in a message, `write` makes it, and parse(write(v)) is v."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from engine.mapping.moments import clock_from_v2, clock_to_v2, from_v2, loosely_from_v2, to_v2
from engine.mapping.rules import Leaf, Table


class Marks(Protocol):
    """The delimiters of a message, and how its leaves are read and written."""

    @property
    def field(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def repetition(self) -> str: ...
    @property
    def escape(self) -> str: ...
    @property
    def subcomponent(self) -> str: ...
    @property
    def truncation(self) -> str: ...
    @property
    def regular(self) -> bool: ...
    @property
    def read(self) -> Callable[[str], str]: ...
    @property
    def write(self) -> Callable[[str], str]: ...


class _Miss:
    """What a leaf gives that cannot be read: no value at all, not null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISS"


MISS: Final = _Miss()
NULL: Final = '""'
"""HL7's null: the sender says that there is no value (v2.5.1 2.5.3.2)."""


class BadValue(ValueError):
    """A value of an event is outside of what its rule can say; the text says why, without the value."""


@dataclass(frozen=True, slots=True)
class V2Leaf:
    """How one leaf is read and written.

    `quick` reads the spelling that `write` gives, in messages without escapes and nulls, None for any other;
    None itself where such a text is its own value. `default` is written where the event has no value. `brief` writes
    what is sure to be written as it is, and gives None for all else; None itself where that is not known so simply.
    """

    parse: Callable[[str, Marks], Any]
    write: Callable[[Any, Marks], str]
    quick: Callable[[str], Any] | None = None
    default: str = ""
    brief: Callable[[Any], str | None] | None = None


def v2_leaf_type(leaf: Leaf, default: str = "") -> V2Leaf:
    """Return the functions for a leaf; `default` is the raw text that stands for no value."""
    kind = _coded(leaf.table) if leaf.table is not None else _TYPES[leaf.kind]
    if not default:
        return kind
    quick = kind.quick

    def parse(raw: str, marks: Marks) -> Any:
        return MISS if raw == default else kind.parse(raw, marks)

    def shortly(raw: str) -> Any:
        if raw == default:
            return None
        return raw if quick is None else quick(raw)

    return V2Leaf(parse, kind.write, shortly, default, kind.brief or (_itself if quick is None else None))


def _itself(value: Any) -> Any:
    return value


def read_leaf(raw: str, kind: V2Leaf, marks: Marks) -> Any:
    """Return the value of a leaf that is not empty; None for HL7's null, MISS where it cannot be read."""
    return None if raw == NULL else kind.parse(raw, marks)


def write_leaf(value: Any, kind: V2Leaf, marks: Marks) -> str:
    """Return a value as it is written.

    Raises:
        BadValue: it is outside of the leaf's type.
    """
    if value is None:
        if '"' in (marks.component, marks.repetition, marks.subcomponent):
            raise BadValue("null is two quotes, and this message divides by them")
        return NULL
    return kind.write(value, marks)


def _text(raw: str, marks: Marks) -> Any:
    return marks.read(raw) if marks.escape in raw else raw


def _write_text(value: Any, marks: Marks) -> str:
    if not isinstance(value, str) or not value:
        raise BadValue("a text that is not empty is needed")
    try:
        return marks.write(value)
    except ValueError as error:
        raise BadValue(str(error)) from None


def _read_moment(raw: str, marks: Marks) -> Any:
    value = loosely_from_v2(raw)
    return MISS if value is None else value


def _write_moment(value: Any, marks: Marks) -> str:
    raw = to_v2(value) if isinstance(value, str) else None
    if raw is None:
        raise BadValue("a moment is needed, such as 2026-01-14 or 2026-01-14T09:30:00-05:00")
    return raw


def _read_clock(raw: str, marks: Marks) -> Any:
    value = clock_from_v2(raw.strip())
    return MISS if value is None else value


def _write_clock(value: Any, marks: Marks) -> str:
    raw = clock_to_v2(value) if isinstance(value, str) else None
    if raw is None:
        raise BadValue("a time of day is needed, such as 09:30")
    return raw


_NUMBER: Final = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def plain_number(text: str) -> str | None:
    """Return a decimal number as an event says it (`0.50`, `-3`), None where the text is no number."""
    found = _NUMBER.fullmatch(text)
    if not found or not (found[2] or found[3] or "0" in text):
        return None
    sign = "-" if found[1] == "-" else ""
    return f"{sign}{found[2] or '0'}{'.' + found[3] if found[3] else ''}"


def is_decimal(value: Any) -> bool:
    """Say whether a value is an event's decimal number."""
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def _read_number(raw: str, marks: Marks) -> Any:
    value = plain_number(raw.strip())
    return MISS if value is None else value


def _quick_number(raw: str) -> Any:
    return raw if _DECIMAL.fullmatch(raw) else None


def _write_number(value: Any, marks: Marks) -> str:
    if not is_decimal(value):
        raise BadValue('a decimal number as text is needed, such as "1.50"')
    text: str = value
    return text


def _read_integer(raw: str, marks: Marks) -> Any:
    value = plain_number(raw.strip())
    return MISS if value is None or "." in value or len(value) > 18 else int(value)


def _quick_integer(raw: str) -> Any:
    return (
        int(raw)
        if raw.isascii() and raw.isdigit() and (raw[0] != "0" or raw == "0") and len(raw) < 18
        else None
    )


def _write_integer(value: Any, marks: Marks) -> str:
    if type(value) is not int or len(str(value)) > 18:
        raise BadValue("an integer is needed")
    return str(value)


_FLAGS: Final = {"Y": True, "N": False, "y": True, "n": False}
_QUICK_FLAGS: Final = {"Y": True, "N": False}


def _write_flag(value: Any, marks: Marks) -> str:
    if value is True:
        return "Y"
    if value is False:
        return "N"
    raise BadValue("true or false is needed")


_TYPES: Final[Mapping[str, V2Leaf]] = {
    "text": V2Leaf(_text, _write_text),
    "oid": V2Leaf(_text, _write_text),
    "any": V2Leaf(_text, _write_text),
    "ts": V2Leaf(_read_moment, _write_moment, from_v2, brief=to_v2),
    "time": V2Leaf(_read_clock, _write_clock, clock_from_v2),
    "num": V2Leaf(_read_number, _write_number, _quick_number, brief=_quick_number),
    "int": V2Leaf(_read_integer, _write_integer, _quick_integer),
    "bool": V2Leaf(lambda raw, marks: _FLAGS.get(raw.strip(), MISS), _write_flag, _QUICK_FLAGS.get),
}


class OpenCodes:
    """Reads codes of an open table: None where the table has the code, but writes another for its meaning."""

    __slots__ = ("codes",)

    def __init__(self, codes: Mapping[str, str | None]) -> None:
        self.codes = codes

    def __call__(self, raw: str) -> str | None:
        """Return the event's word for a code, the code itself where the table does not have it."""
        return self.codes.get(raw, raw)


def _coded(table: Table) -> V2Leaf:
    meaning = {code: event for event, row in table.rows.items() for code in row.get("v2", ())}
    written = {event: row["v2"][0] for event, row in table.rows.items() if "v2" in row}
    if table.open:
        meaning = {**{event: event for event in table.rows if event not in written}, **meaning}
    canonical = {code: event for event, code in written.items()}
    others = dict.fromkeys((*table.rows, *meaning)) if table.open else {}

    def parse(raw: str, marks: Marks) -> Any:
        text = _text(raw, marks)
        found = meaning.get(text, MISS)
        if found is MISS and table.open and text not in table.rows:
            return text
        return found

    def write(value: Any, marks: Marks) -> str:
        code = written.get(value) if isinstance(value, str) else None
        if code is None:
            if not table.open or meaning.get(value, value) != value:
                raise BadValue(f"table {table.name} has no such code")
            code = value
        return _write_text(code, marks)

    if not table.open:
        return V2Leaf(parse, write, canonical.get, brief=written.get)
    foreign = dict.fromkeys(code for code, event in meaning.items() if code != event)
    return V2Leaf(parse, write, OpenCodes({**others, **canonical}), brief=OpenCodes({**foreign, **written}))
