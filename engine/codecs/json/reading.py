"""Bytes to JSON values, refusing whatever two readers could understand in two ways (RFC 8259, RFC 7493).

Refused: duplicate keys, NaN and Infinity, lone surrogates, other encodings than UTF-8, nesting deeper than 64, more
than 500,000 values.
A byte order mark is skipped (RFC 8259 8.1 lets a reader do so).
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, Never

from engine.codecs.json.bounds import MAX_DEPTH, MAX_VALUES, has_too_many_values, is_too_deep
from engine.codecs.json.locating import Place, first_duplicate, first_too_deep, trail_at
from engine.codecs.json.numbers import NumberOutOfRange, read_decimal, read_integer
from engine.codecs.json.paths import dotted
from engine.codecs.json.quick import UNREAD, read_quickly
from engine.errors import MalformedMessage

_BOM = b"\xef\xbb\xbf"
_ANY, _HIGH, _LOW = r"\\u[dD]", r"[89abAB][0-9a-fA-F]{2}", r"[c-fC-F][0-9a-fA-F]{2}"
_LONE_HALF = re.compile(rf"{_ANY}(?:{_HIGH}(?!{_ANY}{_LOW})|(?<!{_ANY}{_HIGH}{_ANY}){_LOW})")
"""Each half is whole with its neighbour or not at all, so that looking there is enough."""


class _Duplicate(ValueError):
    """Raised inside the scanner, which knows neither path nor offset; both are looked for afterwards."""


class _NoNumber(ValueError):
    """NaN or an infinity."""


def read_json(raw: bytes) -> Any:
    """Return the value: dict, list, str, int, Decimal, bool or None.

    Raises:
        MalformedMessage: with the byte offset and, where one is known, the path of what is wrong.
    """
    if has_too_many_values(raw):
        raise MalformedMessage(f"more than {MAX_VALUES} values in one message: send it in parts")
    value = read_quickly(raw)
    return _read_carefully(raw) if value is UNREAD else value


def _read_carefully(raw: bytes) -> Any:
    shift = len(_BOM) if raw.startswith(_BOM) else 0
    text = _text(raw[shift:] if shift else raw, shift)
    if is_too_deep(raw):  # before the scanner recurses
        raise _malformed(f"nested deeper than {MAX_DEPTH}", text, first_too_deep(text), shift)
    # the C scanner reads plain integers fastest without a hook; only `-0` needs one, to keep its sign
    scanner = _KEEPING_ZERO_SIGN if "-0" in text else _SCANNER
    try:
        value = scanner.decode(text)
    except JSONDecodeError as error:
        place = Place(error.pos, trail_at(text, error.pos))
        raise _malformed(f"no JSON: {error.msg.lower()}", text, place, shift) from None
    except _Duplicate:
        raise _malformed("this key stands twice in one object", text, first_duplicate(text), shift) from None
    except _NoNumber:
        raise MalformedMessage("no JSON: NaN and Infinity are no numbers of JSON") from None
    except NumberOutOfRange as error:
        raise MalformedMessage(f"out of range: {error}") from None
    except ValueError:  # int() refuses more digits than sys.get_int_max_str_digits()
        raise MalformedMessage("out of range: a number has too many digits") from None
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(text, shift)
    return value


def _text(raw: bytes, shift: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        other = "; it looks like UTF-16 or UTF-32" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        position = error.start + shift
        message = f"no UTF-8 at byte {position}{other}: JSON is exchanged in UTF-8"
        raise MalformedMessage(message, position=position) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Duplicate
    return made


def _no_constant(name: str) -> Never:
    raise _NoNumber(name)


_SCANNER = JSONDecoder(object_pairs_hook=_object, parse_float=read_decimal, parse_constant=_no_constant)
_KEEPING_ZERO_SIGN = JSONDecoder(
    object_pairs_hook=_object, parse_float=read_decimal, parse_constant=_no_constant, parse_int=read_integer
)


def _refuse_lone_surrogates(text: str, shift: int) -> None:
    """Refuse `\\ud800` without its other half: no UTF-8 can carry it further (RFC 7493 2.1)."""
    # an escaped backslash begins no escape; two other characters in its place keep all offsets
    half = _LONE_HALF.search(text.replace("\\\\", ".."))
    if half is not None:
        place = Place(half.start(), trail_at(text, half.start()))
        raise _malformed("half of a surrogate pair is no character", text, place, shift)


def _malformed(what: str, text: str, place: Place | None, shift: int) -> MalformedMessage:
    if place is None:
        return MalformedMessage(what)
    line = text.count("\n", 0, place.offset) + 1
    column = place.offset - (text.rfind("\n", 0, place.offset) + 1) + 1
    position = len(text[: place.offset].encode()) + shift
    return MalformedMessage(
        f"{what}, at byte {position} (line {line}, column {column})",
        position=position,
        path=dotted(place.trail),
    )
