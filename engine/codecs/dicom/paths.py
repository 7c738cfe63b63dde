"""Paths into data sets, compiled: how they read, set and remove.

Absent or empty is "". Several values are a list, `[0]` takes one of them; a sequence gives the list of its items, `[0]`
one, and on the way its first where nothing is said; `[*]` is always a list. An item answers paths of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from pydicom.datadict import private_dictionary_VR

from engine.codecs.dicom.charsets import TEXTUAL, encoded, exactly, terms_of, unknown_term
from engine.codecs.dicom.grammar import EVERY, Place, Where, extent, places
from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.reading import is_sequence
from engine.codecs.dicom.scanning import DataSet, Element
from engine.codecs.dicom.values import (
    CHARACTER_SET,
    raw,
    read,
    refused,
    representation,
    shown,
    terms,
    written,
)
from engine.errors import Rejected
from engine.spi import Getter

_META: Final = 0x0002
_BULK: Final = 0x7FE0


@dataclass(frozen=True, slots=True)
class DicomPath:
    """A compiled path."""

    text: str
    places: tuple[Place, ...]
    get: Getter = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Write a value, making sequences, items and private blocks on the way; one item past the last is made.

        Items that a path gave are set as copies. Setting Specific Character Set writes every text in it anew.

        Raises:
            Rejected: the value is none of the attribute's representation, has a character that the character set
                lacks, the place cannot be, or it is file meta information or pixel data.
        """
        data = _root(root, self.text)
        for place in self.places[:-1]:
            data = _made(data, place, self.text)
        _set(data, self.places[-1], value, self.text)

    def remove(self, root: Any) -> None:
        """Take the attribute, the item or the value out, in all items where the path says `[*]`; Rejected."""
        found: list[DataSet] = [_root(root, self.text)]
        for place in self.places[:-1]:
            found = [item for data in found for item in _chosen(data, place)]
        for data in found:
            _remove(data, self.places[-1], self.text)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=4096)
def compile_path(text: str) -> DicomPath:
    """Compile a path; ExpressionError with the offset of what is wrong."""
    found = places(text)
    return DicomPath(text, found, _getter(found))


def path_extent(text: str, start: int) -> int:
    """Return where the path that begins at `start` ends; ExpressionError where a bracket never closes."""
    return extent(text, start)


# --------------------------------------------------------------------------- reading


def _getter(found: tuple[Place, ...]) -> Getter:
    *way, last = found
    several = any(place.which == EVERY for place in way)

    def get(root: Any) -> Any:
        if not isinstance(root, DataSet):
            return ""
        if several:
            items = _all_on(root, way)
            values = [value for item in items if (value := _value(item, last)) != ""]
            return values
        data = root
        for place in way:
            item = next(_chosen(data, place), None)
            if item is None:
                return ""
            data = item
        return _value(data, last)

    return get


def _all_on(root: DataSet, way: list[Place]) -> list[DataSet]:
    found = [root]
    for place in way:
        found = [item for data in found for item in _chosen(data, place)]
    return found


def _value(data: DataSet, place: Place) -> Any:
    if place.tag >> 16 == _META:
        data = data.meta if isinstance(data, Instance) else data
    tag = _resolved(data, place)
    element = data.find(tag) if tag is not None else None
    if element is None:
        return [] if place.which == EVERY else ""
    if is_sequence(data, element):
        if place.which is None:
            return list(data.items(element)) or ""
        chosen = list(_chosen(data, place))
        return chosen if place.which == EVERY else chosen[0] if chosen else ""
    value = read(data, element)
    if place.which is None:
        return value
    values = value if isinstance(value, list) else [value] if value != "" else []
    if place.which == EVERY:
        return values
    return values[place.which] if isinstance(place.which, int) and place.which < len(values) else ""


def _chosen(data: DataSet, place: Place) -> Iterator[DataSet]:
    """Yield the items that a place on the way takes: the first where it says nothing."""
    tag = _resolved(data, place)
    element = data.find(tag) if tag is not None else None
    if element is None or not is_sequence(data, element):
        return
    items, which = data.items(element), place.which
    if which == EVERY:
        yield from items
    elif isinstance(which, Where):
        for item in items:
            found = item.find(which.tag)
            if found is not None and str(read(item, found)) == which.value:
                yield item
                return
    elif (number := which or 0) < len(items):
        yield items[number]


def _resolved(data: DataSet, place: Place) -> int | None:
    """Return the tag of a place in a data set: that of a private attribute is found by its creator (PS3.5 7.8.1)."""
    if not place.creator:
        return place.tag
    group = place.tag & 0xFFFF0000
    for block in range(0x10, 0x100):
        creator = data.find(group | block)
        if creator is not None and raw(data, creator).decode("latin-1").strip(" \0") == place.creator:
            return group | block << 8 | place.tag & 0xFF
    return None


# --------------------------------------------------------------------------- changing


def _root(root: Any, path: str) -> DataSet:
    if not isinstance(root, DataSet):
        raise refused(path, "this is no DICOM data set")
    return root


def _made(data: DataSet, place: Place, path: str) -> DataSet:
    """Return the item that a place on the way names, made where it is missing."""
    if place.which == EVERY:
        raise refused(path, "all items cannot be set at once: use each")
    chosen = next(_chosen(data, place), None)
    if chosen is not None:
        return chosen
    if isinstance(place.which, Where):
        raise refused(path, "no item meets the condition")
    tag = _writable(data, place, path)
    element = data.find(tag)
    if element is not None and not is_sequence(data, element):
        raise refused(path, "what stands here is no sequence")
    items = data.sequence(element) if element is not None else data.put_sequence(tag)
    if (place.which or 0) != len(items.sets):
        raise refused(path, "an item is missing before this one")
    made = fresh_item(data)
    items.sets.append(made)
    items.changed = True
    return made


def fresh_item(parent: DataSet) -> DataSet:
    """Return an item without elements, to be put into a sequence of `parent`."""
    made = DataSet(parent.source, parent.form, 0, 0, parent=parent)
    made.changed = True
    return made


def _set(data: DataSet, place: Place, value: Any, path: str) -> None:
    tag = _writable(data, place, path)
    element = data.find(tag)
    if isinstance(value, DataSet) or (isinstance(value, list) and value and isinstance(value[0], DataSet)):
        _set_items(data, tag, place, value if isinstance(value, list) else [value], path)
        return
    vr = _vr_for(data, place, tag, element, value)
    if vr == "SQ":
        if value not in ("", None, []):
            raise refused(path, "a sequence is set by its items")
        data.put_sequence(tag)
        return
    if isinstance(place.which, Where) or place.which == EVERY:
        raise refused(path, "one value is set at a time")
    if place.which is not None:
        value = _with_one(data, element, place.which, value, path)
    made = written(data, vr, value, path)
    if tag == CHARACTER_SET:
        recode(data, made, path)
    elif element is None or (raw(data, element) != made and read(data, element) != value):
        data.put(Element(tag, vr, fresh=made))


def _set_items(data: DataSet, tag: int, place: Place, items: list[Any], path: str) -> None:
    if any(not isinstance(item, DataSet) or item.form != data.form for item in items):
        raise refused(path, "only items of one and the same instance can be set here")
    copies = [item.copy(data) for item in items]
    for copy in copies:
        copy.depth = data.depth + 1
    if place.which is None or place.which == EVERY:
        data.put_sequence(tag).sets.extend(copies)
        return
    element = data.find(tag)
    kept = data.sequence(element) if element is not None else data.put_sequence(tag)
    if not isinstance(place.which, int) or place.which > len(kept.sets) or len(copies) != 1:
        raise refused(path, "there is no place for this item")
    kept.sets[place.which : place.which + 1] = copies
    kept.changed = True


def _with_one(data: DataSet, element: Element | None, which: int | Where, value: Any, path: str) -> list[Any]:
    known = read(data, element) if element is not None else ""
    values = known if isinstance(known, list) else [known] if known != "" else []
    if not isinstance(which, int) or which > len(values):
        raise refused(path, "a value is missing before this one")
    return [*values[:which], value, *values[which + 1 :]]


def _vr_for(data: DataSet, place: Place, tag: int, element: Element | None, value: Any) -> str:
    """Return the representation to write: that which stands there, else the dictionary's, else what fits the value."""
    vr = representation(data, tag, element.vr if element is not None else "")
    if vr == "UN" and place.creator:
        try:
            vr = private_dictionary_VR(tag, place.creator)
        except KeyError:
            vr = "UN"
    if vr == "UN" and not isinstance(value, bytes):
        return "IS" if isinstance(value, int) else "LO" if len(str(value)) <= 64 else "UT"
    return vr


def _writable(data: DataSet, place: Place, path: str) -> int:
    group = place.tag >> 16
    if group <= _META:
        raise refused(path, "file meta information is written by the engine")
    if group >= _BULK:
        raise refused(path, "pixel data is never changed")
    if not place.tag & 0xFFFF and not place.creator:
        raise refused(path, "group lengths are written by nobody")
    tag = _resolved(data, place)
    return tag if tag is not None else _reserved(data, place, path)


def _reserved(data: DataSet, place: Place, path: str) -> int:
    """Reserve a private block for a creator."""
    group = place.tag & 0xFFFF0000
    free = next((block for block in range(0x10, 0x100) if data.find(group | block) is None), None)
    if free is None:
        raise refused(path, "the group has no free private block")
    creator = group | free
    data.put(Element(creator, "LO", fresh=written(data, "LO", place.creator, path)))
    return group | free << 8 | place.tag & 0xFF


def _remove(data: DataSet, place: Place, path: str) -> None:
    if place.tag >> 16 <= _META:
        raise refused(path, "file meta information is written by the engine")
    tag = _resolved(data, place)
    element = data.find(tag) if tag is not None else None
    if tag is None or element is None:
        return
    if place.which is None or place.which == EVERY:
        data.drop(tag)
    elif is_sequence(data, element):
        gone = next(_chosen(data, place), None)
        items = data.sequence(element)
        if gone is not None:
            items.sets.remove(gone)
            items.changed = True
    elif isinstance(place.which, int):
        value = read(data, element)
        values = value if isinstance(value, list) else [value]
        left = [each for index, each in enumerate(values) if index != place.which]
        vr = representation(data, tag, element.vr)
        data.put(Element(tag, vr, fresh=written(data, vr, left, path)))


# --------------------------------------------------------------------------- character sets


def recode(data: DataSet, value: bytes, path: str) -> None:
    """Set Specific Character Set, and write every text that it governs anew.

    Raises:
        Rejected: a text is not in the set that was declared for it, or not in the new one; nothing was changed then.
    """
    new, old = terms_of(value), terms(data)
    if new == old and data.find(CHARACTER_SET) is not None:
        return
    if unknown_term(new):
        raise refused(path, "there is no such character set")
    changes: list[tuple[DataSet, Element]] = []
    _recode(data, old, new, changes)
    for owner, element in changes:
        owner.put(element)
    data.put(Element(CHARACTER_SET, "CS", fresh=value))


def _recode(
    data: DataSet, old: tuple[str, ...], new: tuple[str, ...], changes: list[tuple[DataSet, Element]]
) -> None:
    for element in data.all(before=_BULK << 16):
        if is_sequence(data, element):
            for item in data.items(element):
                if item.find(CHARACTER_SET) is None:
                    _recode(item, old, new, changes)
            continue
        vr = representation(data, element.tag, element.vr)
        if vr not in TEXTUAL:
            continue
        known = raw(data, element)
        if known.isascii() and b"\x1b" not in known:
            continue
        try:
            made = encoded(exactly(known, old, vr), new, vr)
        except UnicodeError:
            text = "a text is not in its character set, or not in the new one"
            raise Rejected(f"{shown(element.tag)}: {text}", code="unwritable") from None
        changes.append((data, Element(element.tag, vr, fresh=made + b" " * (len(made) % 2))))
