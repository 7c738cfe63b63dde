"""What a study is looked up by without looking at it: kinds and texts of an instance, and those that a query asks for.

A text is what is compared: a number as it is, a day by its digits, a name without case and accents. Whatever a query
finds has one of the texts that `asked` gives for it; what has one may still be something else.

Source: DICOM PS3.4 C.2.2.2 (attribute matching), C.2.2.2.1.1 (names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from engine.codecs.dicom.matching import Key, folded

Sought = tuple[str, str]

_PATIENT, _ACCESSION, _DAY, _NAME = "00100020", "00080050", "00080020", "00100010"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})", re.ASCII)
_DAYS_MAX: Final = 400
"""Days that a range is looked up by, each for itself; one that is longer is not looked up."""

_BEGINNINGS: Final = (6, 3)
"""Characters of a name by whose beginning it is looked up."""

_NO_DAY: Final = "?"
"""A date that is none: it may lie within a range as texts do."""

_CHOICES_MAX: Final = 100


def sought_of(attributes: Mapping[str, Any]) -> tuple[Sought, ...]:
    """Return what an instance's study is looked up by, of its attributes in the DICOM JSON model."""
    return tuple(dict.fromkeys(_sought(attributes)))


def asked(keys: Iterable[Key]) -> Sequence[Sought]:
    """Return what the studies have, one or the other, that answer a query; () where they cannot be looked up."""
    by_tag = {key.tag: key.text for key in keys}
    for tag, ask in ((_PATIENT, _numbers), (_ACCESSION, _numbers), (_NAME, _names), (_DAY, _days)):
        found = ask(tag, by_tag.get(tag, ""))
        if found:
            return found
    return ()


# --------------------------------------------------------------------------- of an instance


def _sought(attributes: Mapping[str, Any]) -> Iterator[Sought]:
    for tag in (_PATIENT, _ACCESSION):
        yield from ((tag, str(value)) for value in _values(attributes, tag))
    for value in _values(attributes, _DAY):
        day = _day(str(value))
        yield _DAY, f"{day:%Y%m%d}" if day is not None else _NO_DAY
    for value in _values(attributes, _NAME):
        groups = [value.get(name, "") for name in _GROUPS] if isinstance(value, Mapping) else [str(value)]
        for name in filter(None, map(folded, groups)):
            yield _NAME, name
            yield _NAME, _family(name)
            yield from ((_NAME, f"{name[:length]}*") for length in _BEGINNINGS if len(name) >= length)


def _values(attributes: Mapping[str, Any], tag: str) -> Iterator[Any]:
    yield from (value for value in attributes.get(tag, {}).get("Value", ()) if value)


def _family(name: str) -> str:
    """Return the family name and its end, which tells it from a name that has no other part."""
    return f"{name.partition('^')[0]}^"


# --------------------------------------------------------------------------- of a query


def _numbers(tag: str, text: str) -> list[Sought]:
    choices = [choice for part in text.split("\\") if (choice := part.strip(" \x00"))]
    return [] if _wild(text) or len(choices) > _CHOICES_MAX else [(tag, choice) for choice in choices]


def _names(tag: str, text: str) -> list[Sought]:
    """Return the name, its family name or its beginning, whatever is written out of it; of several groups the first."""
    group = next(filter(None, map(folded, text.split("="))), "")
    if not group or "\\" in text:
        return []
    if not _wild(group):
        return [(tag, group)]
    family, hat, _ = group.partition("^")
    if hat and family and not _wild(family):
        return [(tag, f"{family}^")]
    beginning = re.split(r"[*?]", group)[0]
    return [(tag, f"{beginning[:length]}*") for length in _BEGINNINGS if len(beginning) >= length][:1]


def _days(tag: str, text: str) -> list[Sought]:
    first, hyphen, last = text.partition("-")
    begin, end = _day(first), _day(last if hyphen else first)
    if begin is None or end is None or (end - begin).days >= _DAYS_MAX:
        return []
    days = [begin + timedelta(days=after) for after in range((end - begin).days + 1)]
    return [*((tag, f"{day:%Y%m%d}") for day in days), (tag, _NO_DAY)]


def _day(text: str) -> date | None:
    found = _DATE.fullmatch(text.strip())
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def _wild(text: str) -> bool:
    return "*" in text or "?" in text
