"""Reads the text of a path into DICOM: keywords, tags, private elements, items of sequences.

`PatientName`, `(0010,0010)`, `(0029,"CREATOR",10)`, `RequestAttributesSequence[1].ScheduledProcedureStepID`,
`OtherPatientIDsSequence[.TypeOfPatientID == "TEXT"].PatientID`, `ImageType[2]`, `[*]` for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydicom.datadict import keyword_dict

from engine.codecs.dicom.reading import vr_of
from engine.errors import ExpressionError

MAX_STEPS: Final = 32
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_TAG: Final = re.compile(r"\(([0-9A-Fa-f]{4}), ?([0-9A-Fa-f]{4})\)")
_PRIVATE: Final = re.compile(
    r"""\(([0-9A-Fa-f]{4}), ?(?:"([^"\\]{1,64})"|'([^'\\]{1,64})'), ?([0-9A-Fa-f]{2})\)"""
)
_INDEX: Final = re.compile(r"\[(\d{1,6}|\*)\]")
_WHERE: Final = re.compile(
    r"\[\s*\.([A-Za-z][A-Za-z0-9]*|\([0-9A-Fa-f]{4}, ?[0-9A-Fa-f]{4}\))\s*==\s*"
    r"""(?:"([^"]*)"|'([^']*)')\s*\]"""
)
EVERY: Final = -1
"""Index of all items or values."""
_HELP: Final = (
    "write a keyword as PatientName, a tag as (0010,0010), or an item as RequestAttributesSequence[0]"
)


@dataclass(frozen=True, slots=True)
class Where:
    """Takes the first item whose attribute has a value."""

    tag: int
    value: str


@dataclass(frozen=True, slots=True)
class Place:
    """One attribute on the way; `creator` is that of a private one, whose `tag` then lacks the block.

    `which` is an item or a value counted from 0, `EVERY`, a condition, or None where the text says nothing.
    """

    tag: int
    creator: str = ""
    which: int | Where | None = None
    text: str = ""


def extent(text: str, start: int) -> int:
    """Return the offset where the path that begins at `start` ends; ExpressionError where a bracket never closes."""
    position = start
    while True:
        name = _attribute(text, position)
        if name is None:
            return position if position == start else position - 1
        position = name.end()
        if text[position : position + 1] == "[":
            bracket = _INDEX.match(text, position) or _WHERE.match(text, position)
            if bracket is None:
                raise ExpressionError("this bracket holds no item", offset=position, help=_HELP)
            position = bracket.end()
        if text[position : position + 1] != ".":
            return position
        position += 1


def places(text: str) -> tuple[Place, ...]:
    """Return the attributes on the way of a whole path; ExpressionError with the offset of what is wrong."""
    found: list[Place] = []
    position = 0
    while position < len(text) or not found:
        name = _attribute(text, position)
        if name is None:
            raise ExpressionError("an attribute is missing here", offset=position, help=_HELP)
        tag, creator = _tag_of(name, position)
        position = name.end()
        which: int | Where | None = None
        if text[position : position + 1] == "[":
            which, position = _within(text, position)
        found.append(Place(tag, creator, which, name[0]))
        if position < len(text):
            if text[position] != "." or position + 1 == len(text):
                raise ExpressionError("this is no part of a path", offset=position, help=_HELP)
            _check_sequence(found[-1], name)
            position += 1
        if len(found) > MAX_STEPS:
            raise ExpressionError(f"a path has at most {MAX_STEPS} parts", length=len(text))
    return tuple(found)


def _attribute(text: str, position: int) -> re.Match[str] | None:
    return _NAME.match(text, position) or _PRIVATE.match(text, position) or _TAG.match(text, position)


def _tag_of(name: re.Match[str], offset: int) -> tuple[int, str]:
    if name.re is _TAG:
        return int(name[1] + name[2], 16), ""
    if name.re is _PRIVATE:
        group = int(name[1], 16)
        if not group & 1:
            raise ExpressionError(
                "a private attribute is of an odd group", offset=offset, length=len(name[0])
            )
        return group << 16 | int(name[4], 16), name[2] or name[3]
    tag = keyword_dict.get(name[0])
    if tag is None:
        near = get_close_matches(name[0], keyword_dict, 1)
        raise ExpressionError(
            f"{name[0]} is no keyword of the DICOM dictionary",
            offset=offset,
            length=len(name[0]),
            help=f"did you mean {near[0]}?" if near else _HELP,
        )
    return int(tag), ""


def _within(text: str, position: int) -> tuple[int | Where, int]:
    if index := _INDEX.match(text, position):
        return EVERY if index[1] == "*" else int(index[1]), index.end()
    if where := _WHERE.match(text, position):
        name = _attribute(where[1], 0)
        assert name is not None, "the pattern says so"
        tag, _ = _tag_of(name, where.start(1))
        return Where(tag, where[2] if where[2] is not None else where[3]), where.end()
    raise ExpressionError("this bracket holds no item", offset=position, help=_HELP)


def _check_sequence(place: Place, name: re.Match[str]) -> None:
    """Refuse to go into what the dictionary knows to have no items."""
    if not place.creator and vr_of(place.tag) not in ("SQ", "UN"):
        text = f"{name[0]} is no sequence: nothing stands within it"
        raise ExpressionError(text, offset=name.start(), length=len(name[0]), help=_HELP)
