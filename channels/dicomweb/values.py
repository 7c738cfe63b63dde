"""Where frames and other large values stand in a stored instance, so that they are given without reading the rest.

Source: DICOM PS3.5 8.2 and A.4 (encapsulated pixel data), PS3.3 C.7.6.3 (image pixel), PS3.18 10.4.1 (frames).
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from
from typing import Final

from engine.codecs.dicom.instances import Instance, open_instance
from engine.codecs.dicom.reading import UNDECODABLE, dataset_of, is_sequence
from engine.codecs.dicom.scanning import DataSet, Element
from engine.codecs.dicom.source import Source
from engine.errors import Transient
from engine.model import Body

Range = tuple[int, int]
"""First byte of a value in the file, and the one after its last."""

_PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)
_OFFSETS: Final = 0x7FE00001
_FRAMES, _ROWS, _COLUMNS, _SAMPLES, _BITS = 0x00280008, 0x00280010, 0x00280011, 0x00280002, 0x00280100
_FRAMES_MAX: Final = 1_000_000
_BEGINNINGS: Final = (b"\xff\xd8", b"\xff\x4f", b"\x00\x00\x00\x0c", b"\xff\x0a")
"""JPEG and JPEG-LS, a JPEG 2000 codestream, files of JPEG 2000 and JPEG XL, a JPEG XL codestream."""


class NotGiven(LookupError):
    """The instance has no such frame or value, or it cannot be told where it stands; the text says which."""


def opened(body: Body) -> Instance:
    """Return a stored instance as far as its head; blocks on the disk. Transient where the file is gone."""
    content = body.path if body.data is None else body.data
    if content is None:
        raise Transient("the store does not hold the instance any more", code="body")
    return open_instance(Source.of(content))


def frames(body: Body, numbers: Sequence[int]) -> list[list[Range]]:
    """Return for each frame, counted from 1, the ranges of the file that make it up; blocks on the disk.

    Raises:
        NotGiven: there is no such frame, or frames cannot be told apart.
        MalformedMessage, Transient: the file cannot be read.
    """
    instance = opened(body)
    pixels = next((each for tag in _PIXELS if (each := instance.find(tag)) is not None), None)
    if pixels is None:
        raise NotGiven("it has no pixel data")
    count = _whole(instance, _FRAMES, 1)
    if not 0 < count <= _FRAMES_MAX or max(numbers) > count:
        raise NotGiven("it has no such frame")
    if pixels.undefined:
        grouped = _fragments_of_frames(instance, pixels, count)
        return [grouped[number - 1] for number in numbers]
    bits = _whole(instance, _ROWS, 0) * _whole(instance, _COLUMNS, 0) * _whole(instance, _SAMPLES, 1)
    bits *= _whole(instance, _BITS, 0)
    if not bits or (bits % 8 and count > 1):
        raise NotGiven("its frames do not begin at whole bytes, or their size is not said")
    size = (bits + 7) // 8
    if size * count > pixels.stop - pixels.start:
        raise NotGiven("its pixel data are shorter than its frames")
    starts = [pixels.start + (number - 1) * size for number in numbers]
    return [[(start, start + size)] for start in starts]


def value_at(body: Body, path: str) -> Range:
    """Return where a value stands: `00420011`, or `54000100/1/54001010` within the first item of a sequence.

    Raises:
        NotGiven: there is no such value, or it is no plain one.
        MalformedMessage, Transient: the file cannot be read.
    """
    data: DataSet = opened(body)
    tag, *deeper = path.split("/")
    element = data.find(int(tag, 16))
    for number, inner in zip(deeper[::2], deeper[1::2], strict=True):
        if element is None or not is_sequence(data, element):
            raise NotGiven("it has no such sequence")
        items = data.items(element)
        if int(number) > len(items):
            raise NotGiven("the sequence has no such item")
        data = items[int(number) - 1]
        element = data.find(int(inner, 16))
    if element is None or is_sequence(data, element):
        raise NotGiven("it has no such value")
    if element.undefined:
        raise NotGiven("the value is encapsulated: ask for its frames")
    return element.start, element.stop


def _whole(instance: Instance, tag: int, otherwise: int) -> int:
    found = dataset_of(instance, tags={tag})
    try:
        value = found[tag].value if tag in found else None
        return otherwise if value in (None, "") else int(value)
    except UNDECODABLE as error:
        raise NotGiven("its size or number of frames is no number") from error


def _fragments_of_frames(instance: Instance, pixels: Element, count: int) -> list[list[Range]]:
    """Return the fragments of each frame (PS3.5 A.4): one each, or as the offsets or the codestreams tell."""
    items = _items(instance.source, pixels)
    table, fragments = items[:1], items[1:]
    if not table or not fragments:
        raise NotGiven("its pixel data hold no fragment")
    if count == 1:
        return [fragments]
    if len(fragments) == count:
        return [[each] for each in fragments]
    begins = _by_offsets(instance, table[0], fragments, count) or _by_codestream(instance.source, fragments)
    if len(begins) != count or begins[0] != 0:
        raise NotGiven("its frames cannot be told apart")
    return [fragments[begin:end] for begin, end in zip(begins, [*begins[1:], len(fragments)], strict=True)]


def _items(source: Source, pixels: Element) -> list[Range]:
    found: list[Range] = []
    at = pixels.start
    while at < pixels.stop:
        window, position = source.look(at, 8)
        (length,) = unpack_from("<L", window, position + 4)
        found.append((at + 8, at + 8 + length))
        at += 8 + length
    return found


def _by_offsets(instance: Instance, table: Range, fragments: list[Range], count: int) -> list[int] | None:
    """Return the index of each frame's first fragment by the extended or the basic offset table, None without one."""
    extended = instance.find(_OFFSETS)
    if extended is not None:
        raw, size, form = instance.source.take(extended.start, extended.stop), 8, "Q"
    else:
        raw, size, form = instance.source.take(*table), 4, "L"
    if len(raw) < size * count:
        return None
    first = fragments[0][0] - 8
    by_offset = {start - 8 - first: index for index, (start, _) in enumerate(fragments)}
    found = [by_offset.get(offset) for offset in unpack_from(f"<{count}{form}", raw)]
    begins = [index for index in found if index is not None]
    return begins if len(begins) == count and begins == sorted(set(begins)) else None


def _by_codestream(source: Source, fragments: list[Range]) -> list[int]:
    return [
        index
        for index, (start, stop) in enumerate(fragments)
        if stop - start >= 4 and source.take(start, start + 4).startswith(_BEGINNINGS)
    ]
