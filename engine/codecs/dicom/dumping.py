"""The attributes of an instance one by one, as people and golden files read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import dictionary_description, keyword_for_tag

from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.reading import is_sequence
from engine.codecs.dicom.scanning import DataSet, Element
from engine.codecs.dicom.values import BINARY, read, representation, shown
from engine.errors import Rejected

BULK: Final = 0x7FE00000
"""From here on values are told by their size alone."""
_SHOWN_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute; `path` is as paths are written, `value` a text, `depth` how many sequences it is in."""

    path: str
    tag: int
    vr: str
    value: str
    depth: int

    @property
    def name(self) -> str:
        """What the standard calls it, "" where it does not know it."""
        try:
            return dictionary_description(self.tag)
        except KeyError:
            return ""


def attributes(instance: Instance, tags: Collection[int] = ()) -> Iterator[Attribute]:
    """Yield file meta information, then the data set, in order; of its top only `tags` where there are any.

    Raises:
        MalformedMessage: the instance cannot be read.
    """
    for data in (instance.meta, instance):
        yield from _of(data, "", 0, tags)


def texts(instance: Instance) -> dict[str, str]:
    """Return every value by its path, with its representation before it."""
    return {each.path: f"{each.vr} {each.value}".rstrip() for each in attributes(instance)}


def _of(data: DataSet, before: str, depth: int, tags: Collection[int]) -> Iterator[Attribute]:
    for element in data.all():
        if tags and element.tag not in tags:
            continue
        keyword = "" if element.tag >> 16 & 1 else keyword_for_tag(element.tag)
        path = f"{before}{keyword or shown(element.tag)}"
        if not is_sequence(data, element):
            vr = representation(data, element.tag, element.vr)
            yield Attribute(path, element.tag, vr, _text(data, element, vr), depth)
            continue
        items = data.items(element)
        yield Attribute(path, element.tag, "SQ", f"{len(items)} items", depth)
        for number, item in enumerate(items):
            yield from _of(item, f"{path}[{number}].", depth + 1, ())


def _text(data: DataSet, element: Element, vr: str) -> str:
    size = element.stop - element.start if element.fresh is None else len(element.fresh)
    if element.tag >= BULK or element.undefined or (vr in BINARY and size > _SHOWN_BYTES):
        return f"{size} bytes"
    try:
        value: Any = read(data, element)
    except Rejected:
        return f"{size} bytes"
    if isinstance(value, bytes):
        return value.hex(" ")
    return "\\".join(str(each) for each in value) if isinstance(value, list) else str(value)
