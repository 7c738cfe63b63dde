"""Decides whether a DICOM object answers a query: every attribute by the kind of matching that its VR allows.

A query (identifier) is compiled once into keys, which then judge objects in the DICOM JSON model, or as data sets.
Keys of zero length, `*`, and sequences of nothing else are universal: they are left out, since everything answers them.

Source: DICOM PS3.4 C.2.2.2 (attribute matching), C.2.2.2.1.1 (names), PS3.18 F.2 (JSON model), PS3.5 6.2 (VRs).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.errors import Rejected
from engine.model import Fault

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Test = Callable[[str], bool]
"""Says whether one value of an attribute, as text, is what is asked for."""

_WILDCARDS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_RANGES = frozenset({"DA", "TM", "DT"})
_NUMBERS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_MOST_KEYS = 256
_DEEPEST = 8
_LONGEST = 1024
_DATE = re.compile(r"\d{8}|\d{4}\.\d{2}\.\d{2}")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?|\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_MOMENT = re.compile(r"(\d{4}(?:\d{2}(?:\d{2}(?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?)?)?)([+-]\d{4})?")
_LAST = "99991231235959999999"
_IGNORED = frozenset({0x00080005, 0x00080006, 0x00080052, 0x00080053, 0x00080201})
"""How a query is written or where it looks, not what it looks for: character set, level, time zone and the like."""


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute that is asked for: `test` judges each of its values, or `items` each item of a sequence.

    `tag` is eight hexadecimal digits, as in the JSON model; `vr` the VR by which it is matched, `text` what was asked
    ("" for a sequence).
    """

    tag: str
    vr: str
    text: str = ""
    test: Test | None = None
    items: tuple[Key, ...] = ()


def value_test(vr: str, text: str) -> Test | None:
    """Return the test that a query's text means for values of a VR, None where it is universal.

    Dates, times and moments are ranges where they hold a hyphen, texts may hold `*` and `?`, several UIDs (or other
    values) are separated by a backslash. Names match whatever their case and accents, and in any of their groups.

    Raises:
        Rejected: no value of this VR is written so.
    """
    text = text.strip(" \x00")
    if not text or (vr in _WILDCARDS and not text.strip("*")):
        return None
    if len(text) > _LONGEST and vr != "UI":
        raise Rejected("a key is too long", code="key")
    choices = [choice for part in text.split("\\") if (choice := part.strip(" \x00"))]
    if not choices or (vr in _WILDCARDS and any(not choice.strip("*") for choice in choices)):
        return None
    if vr == "UI":
        return frozenset(choices).__contains__
    tests = [_one_test(vr, choice) for choice in choices]
    return tests[0] if len(tests) == 1 else partial(_any, tuple(tests))


def keys_of(identifier: Dataset) -> tuple[Key, ...]:
    """Return what a query asks for.

    Raises:
        Rejected: it holds a value that its VR does not allow, more than 256 keys, or sequences too deep.
    """
    return _keys_of(identifier, _DEEPEST)


def matches(dataset: Dataset, identifier: Dataset) -> bool:
    """Say whether a data set answers a query; Rejected as `keys_of` raises it."""
    return all(_data_set_holds(dataset, key) for key in keys_of(identifier))


def matches_json(found: Mapping[str, Any], keys: Iterable[Key]) -> bool:
    """Say whether an object in the DICOM JSON model answers the keys of a query."""
    return all(_holds(found, key) for key in keys)


def folded(text: str) -> str:
    """Return a text as names are compared: without case, accents, and empty components at its end."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in plain if not unicodedata.combining(character))
    return text.casefold().rstrip("^ ")


# --------------------------------------------------------------------------- keys


def _keys_of(identifier: Dataset, depth: int) -> tuple[Key, ...]:
    if len(identifier) > _MOST_KEYS:
        raise Rejected("a query has too many keys", code="key")
    if not depth:
        raise Rejected("a query has sequences within sequences without an end", code="key")
    keys = []
    for element in identifier:
        tag = f"{element.tag:08X}"
        if element.tag in _IGNORED or element.tag.element == 0:
            continue
        if element.VR == "SQ":
            if len(element.value) > 1:
                raise _refused(tag, "a sequence has one item in a query")
            items = _keys_of(element.value[0], depth - 1) if element.value else ()
            if items:
                keys.append(Key(tag, "SQ", items=items))
            continue
        text = "\\".join(_texts(element.value))
        try:
            test = value_test(element.VR, text)
        except Rejected as error:
            raise _refused(tag, str(error)) from error
        if test is not None:
            keys.append(Key(tag, element.VR, text.strip(" \x00"), test))
    return tuple(keys)


def _refused(tag: str, told: str) -> Rejected:
    return Rejected(told, faults=(Fault(tag, told, "key"),), code="key")


def _one_test(vr: str, text: str) -> Test:
    if vr in _RANGES:
        return _range_test(vr, text)
    if vr == "PN":
        return _name_test(text)
    if vr in _WILDCARDS and ("*" in text or "?" in text):
        return _wildcard(text)
    if vr in _NUMBERS:
        return _number_test(text)
    return text.__eq__


def _any(tests: Sequence[Test], value: str) -> bool:
    return any(test(value) for test in tests)


def _number_test(text: str) -> Test:
    try:
        wanted = float(text)
    except ValueError:
        raise Rejected("it is no number", code="key") from None

    def equal(value: str) -> bool:
        try:
            return float(value) == wanted
        except ValueError:
            return False

    return equal


# --------------------------------------------------------------------------- wildcards and names


def _wildcard(text: str) -> Test:
    """Return the test of a text with `*` and `?`.

    Each piece between asterisks has a length of its own and is taken where it is found first, so that no query takes
    longer than its length times the value's.
    """
    pieces = re.split(r"\*+", text)
    patterns = [
        re.compile("".join("." if c == "?" else re.escape(c) for c in piece), re.DOTALL) for piece in pieces
    ]
    first, last = patterns[0], patterns[-1]
    if len(pieces) == 1:
        return lambda value: first.fullmatch(value) is not None

    def test(value: str) -> bool:
        begun = first.match(value)
        end = len(value) - len(pieces[-1])
        at = begun.end() if begun is not None else len(value) + 1
        for pattern in patterns[1:-1]:
            found = pattern.search(value, at) if at <= end else None
            if found is None:
                return False
            at = found.end()
        return at <= end and last.fullmatch(value, end) is not None

    return test


def _name_test(text: str) -> Test:
    tests = []
    for group in filter(None, map(folded, text.split("="))):
        tests.append(_wildcard(group) if "*" in group or "?" in group else group.__eq__)
    return partial(_name_holds, tuple(tests))


def _name_holds(tests: Sequence[Test], value: str) -> bool:
    groups = [folded(group) for group in value.split("=")]
    return all(any(test(group) for group in groups) for test in tests)


# --------------------------------------------------------------------------- ranges


def _range_test(vr: str, text: str) -> Test:
    """Return the test of a date, a time or a moment, or of a range of them."""
    low, high = _ends(vr, text)
    if low is None or high is None:
        raise Rejected("it is neither a date, a time nor a range of them", code="key")
    first, last = _earliest(vr, low), _latest(vr, high)

    def test(value: str) -> bool:
        if _written(vr, value) is None:
            return False
        return first <= _latest(vr, value) and _earliest(vr, value) <= last

    return test


def _ends(vr: str, text: str) -> tuple[str | None, str | None]:
    """Return both ends of a range, "" for one that is open; None for what is none."""
    if vr != "DT":
        low, hyphen, high = text.partition("-")
        if not hyphen:
            return _written(vr, low), _written(vr, low)
        if not low and not high:
            return None, None
        return (_written(vr, low) if low else ""), (_written(vr, high) if high else "")
    if _written(vr, text) is not None:
        return text, text
    for at, character in enumerate(text):  # a hyphen may be an offset's sign, too
        low, high = text[:at], text[at + 1 :]
        if character == "-" and (low or high):
            first = _written(vr, low) if low else ""
            last = _written(vr, high) if high else ""
            if first is not None and last is not None:
                return first, last
    return None, None


def _written(vr: str, text: str) -> str | None:
    """Return a value as it may be written, None where it may not."""
    pattern = {"DA": _DATE, "TM": _TIME, "DT": _MOMENT}[vr]
    text = text.strip()
    return text if pattern.fullmatch(text) else None


def _earliest(vr: str, text: str) -> str:
    """Return the first instant that a value may stand for, so that texts sort as instants do."""
    plain = _plain(vr, text)
    if vr == "DT":
        return plain + "00000101000000000000"[len(plain) :]
    return plain.ljust(12 if vr == "TM" else 8, "0")


def _latest(vr: str, text: str) -> str:
    """Return the last instant that a value may stand for; the end of time where there is none."""
    plain = _plain(vr, text)
    end = {"DA": "99991231", "TM": "235959999999", "DT": _LAST}[vr]
    return plain + end[len(plain) :]


def _plain(vr: str, text: str) -> str:
    """Return the digits of a date, a time or a moment in UTC where its offset is known."""
    if vr != "DT":
        return re.sub(r"[.:]", "", text)
    found = _MOMENT.fullmatch(text)
    if found is None:
        return ""
    digits, offset = found[1].replace(".", ""), found[2]
    if not offset or len(digits) < 10:
        return digits
    hours = int(digits[8:10]) * 60 + int(digits[10:12] or 0)
    away = int(offset[1:3]) * 60 + int(offset[3:5])
    try:
        day = datetime.strptime(digits[:8] + "+0000", "%Y%m%d%z")
    except ValueError:
        return digits
    moved = day + timedelta(minutes=hours - (away if offset[0] == "+" else -away))
    return (moved.strftime("%Y%m%d%H%M") + digits[12:])[: len(digits)]


# --------------------------------------------------------------------------- judging


def _holds(found: Mapping[str, Any], key: Key) -> bool:
    element = found.get(key.tag)
    values = element.get("Value", ()) if element is not None else ()
    if key.test is None:
        return any(matches_json(item, key.items) for item in values)
    test = key.test
    return any(test(_text_of(value)) for value in values)


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        groups = [str(value.get(name, "")) for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


def _data_set_holds(dataset: Dataset, key: Key) -> bool:
    tag = int(key.tag, 16)
    if tag not in dataset:
        return False
    element = dataset[tag]
    if key.test is None:
        return any(all(_data_set_holds(item, inner) for inner in key.items) for item in element.value or ())
    test = key.test
    return any(test(text) for text in _texts(element.value))


def _texts(value: Any) -> list[str]:
    """Return the values of an element as texts."""
    if isinstance(value, str):
        return [value.strip(" \x00")]
    if value is None or isinstance(value, bytes):
        return []
    several = value if isinstance(value, Sequence) else [value]
    return [str(each).strip(" \x00") for each in several if each is not None]
