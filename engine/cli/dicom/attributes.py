"""The attributes of an instance as lines for people, and which of them may be shown to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydicom.datadict import dictionary_description, keyword_for_tag

from engine.cli.hl7.tree import masked
from engine.codecs.dicom.grammar import places
from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.profile import Profile
from engine.codecs.dicom.reading import is_sequence
from engine.codecs.dicom.scanning import DataSet, Element
from engine.codecs.dicom.values import BINARY, read, representation, shown
from engine.errors import Rejected

_FREE: Final = frozenset({"LT", "PN", "ST", "UT", "UC"})
"""Representations of texts that may say anything, wherever they stand."""
_BULK: Final = 0x7FE00000
_SHOWN_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute; `path` is as paths are written, `value` a text, `open` says that it tells of nobody."""

    path: str
    tag: str
    vr: str
    name: str
    value: str
    open: bool
    depth: int

    def shown(self, *, clear: bool) -> str:
        """Return the value for people."""
        return self.value if clear or self.open else masked(self.value)


def lines_of(instance: Instance, wanted: tuple[str, ...]) -> Iterator[Line]:
    """Yield the attributes of an instance in order, or those below the paths that are wanted.

    Raises:
        ExpressionError: what is wanted is no path.
        MalformedMessage: the instance cannot be read.
    """
    tags = {places(text)[0].tag for text in wanted}
    for data in (instance.meta, instance):
        yield from _lines(data, "", 0, tags)


def _lines(data: DataSet, before: str, depth: int, tags: set[int]) -> Iterator[Line]:
    for element in data.all():
        if tags and element.tag not in tags:
            continue
        name = _keyword(element.tag)
        path = f"{before}{name or shown(element.tag)}"
        if is_sequence(data, element):
            items = data.items(element)
            yield _line(element, path, "SQ", f"{len(items)} items", depth, is_open=True)
            for number, item in enumerate(items):
                yield from _lines(item, f"{path}[{number}].", depth + 1, set())
            continue
        vr = representation(data, element.tag, element.vr)
        yield _line(element, path, vr, _text(data, element, vr), depth, is_open=_is_open(element.tag, vr))


def _line(element: Element, path: str, vr: str, value: str, depth: int, *, is_open: bool) -> Line:
    return Line(path, shown(element.tag), vr, _description(element.tag), value, is_open, depth)


def _text(data: DataSet, element: Element, vr: str) -> str:
    size = element.stop - element.start
    if element.tag >= _BULK or element.undefined or (vr in BINARY and size > _SHOWN_BYTES):
        return f"{size} bytes"
    try:
        value: Any = read(data, element)
    except Rejected:
        return f"{size} bytes"
    if isinstance(value, bytes):
        return value.hex(" ")
    return "\\".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _is_open(tag: int, vr: str) -> bool:
    """Say whether a value may be shown: the profile leaves it alone, and nobody could have written a name there."""
    if tag >> 16 & 1 or vr in _FREE or vr == "UN":
        return False
    return tag >= _BULK or (tag & 0xFFFF0000 == 0x00020000 and tag != 0x00020003) or not _basic().action(tag)


@cache
def _basic() -> Profile:
    return Profile.of()


def _keyword(tag: int) -> str:
    return "" if tag >> 16 & 1 else keyword_for_tag(tag)


def _description(tag: int) -> str:
    try:
        return dictionary_description(tag)
    except KeyError:
        return ""
