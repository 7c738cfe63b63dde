"""The delimiters that a message declares in MSH-1 and MSH-2, and how leaves are read and written with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from engine.codecs.hl7v2.escapes import reader, writer

RECOMMENDED: Final = "^~\\&"
NONE: Final = "\r"
"""Stands for a delimiter that is not declared: it ends segments, so it occurs in none and divides nothing."""
HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
"""Segments that begin with the delimiters: their field 1 is the separator itself."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """One set of delimiters, shared by all messages that use it; `NONE` where a message declares none.

    `regular` says that no delimiter is a letter, a digit, a blank, a quote or a control character. `inner` are those
    that split a field: repetition, component, subcomponent. `read` decodes the escapes of a leaf, `write` makes a
    text safe to be one (Unwritable where it cannot be).
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str
    regular: bool
    inner: tuple[str, ...]
    read: Callable[[str], str] = dataclasses.field(compare=False, repr=False)
    write: Callable[[str], str] = dataclasses.field(compare=False, repr=False)


@lru_cache(maxsize=256)
def delimiters_of(separator: str, encoding: str) -> Delimiters:
    """Return the delimiters of MSH-1 and MSH-2.

    An empty MSH-2 means the recommended ones. A short one lacks what it does not name (escape and subcomponent may be
    left out); a character that repeats an earlier one separates nothing; a fifth that is a letter
    is none; what follows it is ignored.
    Source: HL7 v2.5.1 2.5.4 and 2.15.9.2; v2.7 2.5.4 (truncation character).
    """
    distinct: list[str] = []
    encoding = encoding or RECOMMENDED
    for character in encoding[:5]:
        distinct.append(NONE if character in (separator, *distinct) else character)
    if len(distinct) == 5 and _is_odd(distinct[4]):
        distinct[4] = NONE  # `^~\\&amp;`, as some senders write it
    component, repetition, escape, subcomponent, truncation = distinct + [NONE] * (5 - len(distinct))
    regular = not any(_is_odd(character) for character in (separator, *distinct) if character != NONE)
    marks = {"F": separator, "S": component, "R": repetition, "T": subcomponent, "E": escape, "P": truncation}
    usable = {letter: mark for letter, mark in marks.items() if mark != NONE}
    return Delimiters(
        separator,
        component,
        repetition,
        escape,
        subcomponent,
        truncation,
        regular,
        tuple(mark for mark in (repetition, component, subcomponent) if mark != NONE),
        reader(usable if regular else {}),
        writer(usable, can_escape=regular and escape != NONE),
    )


def _is_odd(character: str) -> bool:
    return character.isalnum() or character.isspace() or character in "\"'" or not character.isprintable()
