"""A changed instance as pieces: what was not changed is a stretch of the content that it came from, never copied.

Sequences and items keep their way of ending; group lengths of a changed data set are left out, since they are optional.
Source: DICOM PS3.5 7.1 to 7.5; PS3.10 7.1.
"""

from __future__ import annotations

from struct import pack
from typing import Final

from engine.codecs.dicom.encoding import deflated
from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.scanning import LONG, DataSet, Element, Items, is_changed
from engine.codecs.dicom.source import Source
from engine.codecs.dicom.syntaxes import Form
from engine.codecs.dicom.values import raw, refused, shown
from engine.model import Extent

_SEQUENCE_END: Final = (0xFFFE, 0xE0DD)
_ITEM: Final = (0xFFFE, 0xE000)
_ITEM_END: Final = (0xFFFE, 0xE00D)
_UNDEFINED: Final = 0xFFFFFFFF
_NAMED_IN_META: Final = {0x00080016: 0x00020002, 0x00080018: 0x00020003}
"""SOP Class UID and SOP Instance UID, and where the file meta information repeats them."""
_NEEDED_IN_META: Final = frozenset({0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012})
_PREAMBLE: Final = 128
_LONGEST: Final = 0xFFFE


class Pieces:
    """Bytes and stretches of one source, in order; neighbours become one."""

    def __init__(self, source: Source) -> None:
        self.size = 0
        self.source = source
        self.list: list[bytes | tuple[int, int]] = []
        self._fresh = bytearray()

    def add(self, data: bytes) -> None:
        """Add bytes that were made."""
        self._fresh += data
        self.size += len(data)

    def span(self, start: int, stop: int) -> None:
        """Add a stretch of the source."""
        if start == stop:
            return
        self.size += stop - start
        self._flush()
        last = self.list[-1] if self.list else b""
        if isinstance(last, tuple) and last[1] == start:
            self.list[-1] = (last[0], stop)
        else:
            self.list.append((start, stop))

    def extend(self, other: Pieces) -> None:
        """Add what another has, of the same source."""
        other._flush()
        for piece in other.list:
            if isinstance(piece, tuple):
                self.span(*piece)
            else:
                self.add(piece)

    def read(self) -> bytes:
        """Return all of it; reads the stretches."""
        self._flush()
        return b"".join(
            piece if isinstance(piece, bytes) else self.source.take(*piece) for piece in self.list
        )

    def extents(self) -> tuple[bytes | Extent, ...]:
        """Return it without reading the file that the stretches are of."""
        self._flush()
        path = self.source.path
        assert path is not None, "only content in a file is told by extents"
        return tuple(
            piece if isinstance(piece, bytes) else Extent(path, piece[0], piece[1] - piece[0])
            for piece in self.list
        )

    def _flush(self) -> None:
        if self._fresh:
            self.list.append(bytes(self._fresh))
            self._fresh.clear()


def pieces(instance: Instance) -> Pieces:
    """Return an instance as it is now; one that nobody changed is one stretch.

    Raises:
        MalformedMessage: it was changed, and what follows the change is no data set.
        Rejected: a value is too long for its representation.
    """
    made = Pieces(instance.file)
    if not instance.touched():
        made.span(0, instance.file.size)
        return made
    if instance.stripped:
        made.add(bytes(_PREAMBLE) + b"DICM")
    else:
        made.span(0, instance.meta.start)
    _meta(instance, made)
    data = Pieces(instance.source)
    _elements(instance, data)
    if instance.form.deflated:
        made.add(deflated(data.read()))
    else:
        made.extend(data)
    return made


def _meta(instance: Instance, out: Pieces) -> None:
    """Write the file meta information, with the UIDs that the data set has now."""
    meta = instance.meta.copy()
    for tag, repeated in _NAMED_IN_META.items():
        element = instance.find(tag)
        if element is None or meta.find(repeated) is None:
            if instance.stripped:
                meta.drop(repeated)
        elif element.fresh is not None or instance.stripped:
            meta.put(Element(repeated, "UI", fresh=raw(instance, element)))
    for other in [each.tag for each in meta.all() if instance.stripped and each.tag not in _NEEDED_IN_META]:
        meta.drop(other)
    if not meta.changed:
        out.span(meta.start, meta.stop)
        return
    content = Pieces(meta.source)
    _elements(meta, content)
    out.add(pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, content.size))
    out.extend(content)


def _elements(data: DataSet, out: Pieces) -> None:
    """Write the elements of a data set; of one that nobody changed, all at once."""
    if not data.touched():
        out.span(data.start, data.stop)
        return
    for element in data.all():
        items = data.sequences.get(element.tag)
        if items is not None and is_changed(items):
            _sequence(data, element, items, out)
        elif element.fresh is not None:
            out.add(_head(element.tag, element.vr, len(element.fresh), data.form))
            out.add(element.fresh)
        elif element.tag & 0xFFFF:
            out.span(element.head, element.end)


def _sequence(data: DataSet, element: Element, items: Items, out: Pieces) -> None:
    content = Pieces(data.source)
    for item in items.sets:
        _item(item, content)
    vr = element.vr or "SQ"
    if not element.undefined:
        out.add(_head(element.tag, vr, content.size, data.form))
        out.extend(content)
        return
    out.add(_head(element.tag, vr, _UNDEFINED, data.form))
    out.extend(content)
    inner = items.sets[0].form if items.sets else data.form
    out.add(_delimiter(_SEQUENCE_END, 0, inner))


def _item(item: DataSet, out: Pieces) -> None:
    content = Pieces(item.source)
    _elements(item, content)
    out.add(_delimiter(_ITEM, _UNDEFINED if item.undefined else content.size, item.form))
    out.extend(content)
    if item.undefined:
        out.add(_delimiter(_ITEM_END, 0, item.form))


def _delimiter(tag: tuple[int, int], length: int, form: Form) -> bytes:
    return pack("<HHL" if form.little else ">HHL", *tag, length)


def _head(tag: int, vr: str, length: int, form: Form) -> bytes:
    order = "<" if form.little else ">"
    if form.implicit:
        return pack(order + "HHL", tag >> 16, tag & 0xFFFF, length)
    code = vr.encode("ascii")
    if code in LONG:
        return pack(order + "HH2sHL", tag >> 16, tag & 0xFFFF, code, 0, length)
    if length > _LONGEST:
        raise refused(shown(tag), f"more than {_LONGEST} bytes, which representation {vr} does not hold")
    return pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, code, length)
