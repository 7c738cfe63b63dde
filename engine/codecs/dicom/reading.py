"""The head of an instance as pydicom's data set: what is asked of it, without pixel data, within our bounds.

pydicom never reads the bytes: it gets elements that were found and bounded here, and decodes their values.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydicom import config as pydicom_config
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from engine.codecs.dicom.bounds import MAX_HEAD, MAX_VALUE, malformed
from engine.codecs.dicom.instances import Instance, open_instance
from engine.codecs.dicom.scanning import PIXEL_DATA, DataSet, Element
from engine.codecs.dicom.source import Source

# What partners send is not judged by pydicom: it would warn of every odd value, and warnings quote.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
pydicom_config.settings.writing_validation_mode = pydicom_config.IGNORE

UNDECODABLE: Final = (
    BytesLengthException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    NotImplementedError,
)
"""What pydicom raises where a value is none of its representation: when it is first asked for, or written."""

FIRST_BULK: Final = 0x7FE00000
"""Where pixel data and all that is like them begin."""
_CHARACTER_SET: Final = 0x00080005


def read_head(source: Path | bytes, *, tags: Collection[int | str] | None = None) -> Dataset:
    """Return the elements `tags` (numbers or keywords) of a Part 10 file, or all below pixel data; `file_meta` too.

    What is deferred stays so: a value is decoded when it is asked for. Values above 1 MiB are left out, and so is all
    that is beyond 16 MiB. Of a file only the part is read in which the elements stand.

    Raises:
        MalformedMessage: it is no Part 10 file, or breaks within what was asked for; with the offset.
        Transient: the file cannot be read.
    """
    instance = open_instance(Source.of(source))
    made = dataset_of(instance, tags=None if tags is None else {_tag(each) for each in tags})
    made.file_meta = _file_meta(instance)
    return made


def dataset_of(data: DataSet, *, tags: set[int] | None = None, before: int = FIRST_BULK) -> Dataset:
    """Return elements of a data set that is read as pydicom's, each sequence as a whole; MalformedMessage."""
    return _Head(data).made(data, tags, before)


class _Head:
    """Makes one data set of pydicom's, and counts what it holds."""

    def __init__(self, data: DataSet) -> None:
        self._left = min(MAX_HEAD, data.source.size)

    def made(
        self, data: DataSet, tags: set[int] | None, before: int, encodings: list[str] | None = None
    ) -> Dataset:
        made = Dataset()
        own = data.find(_CHARACTER_SET)
        if own is not None:
            encodings = encodings_of(
                data.source.take(own.start, own.stop) if own.fresh is None else own.fresh
            )
        known = encodings or ["iso8859"]
        made.set_original_encoding(data.form.implicit, data.form.little, known)
        if tags is None:
            found = [each for each in data.all(before) if each.tag & 0xFFFF]
        else:
            wanted = tags if own is None else tags | {_CHARACTER_SET}
            found = [each for tag in sorted(wanted) if tag < before and (each := data.find(tag)) is not None]
        for element in found:
            if is_sequence(data, element):
                items = [self.made(item, None, 1 << 32, known) for item in data.items(element)]
                made.add(DataElement(BaseTag(element.tag), "SQ", Sequence(items)))
            elif (raw := self._raw(data, element)) is not None:
                made._dict[raw.tag] = raw
        return made

    def _raw(self, data: DataSet, element: Element) -> RawDataElement | None:
        size = element.stop - element.start
        if element.undefined or size > MAX_VALUE or size > self._left:
            return None
        self._left -= size
        value = data.source.take(element.start, element.stop) if element.fresh is None else element.fresh
        form = data.form
        return RawDataElement(
            BaseTag(element.tag), element.vr or None, len(value), value, 0, form.implicit, form.little
        )


def is_sequence(data: DataSet, element: Element) -> bool:
    """Say whether an element has items; where the data set does not say it, the dictionary does."""
    if element.tag in data.sequences or element.vr == "SQ":
        return True
    if element.vr:
        return False
    return element.tag != PIXEL_DATA and vr_of(element.tag) == "SQ"


@lru_cache(maxsize=16_384)
def vr_of(tag: int) -> str:
    """Return the value representation that the dictionary gives to a tag, "UN" for one that it does not know.

    Source: DICOM PS3.6 6; PS3.5 7.8.1 (private creators), 7.2 (group lengths).
    """
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    if not tag & 0xFFFF:
        return "UL"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def encodings_of(value: bytes) -> list[str]:
    """Return Python's codecs for a Specific Character Set; a term that nobody knows reads as ISO 8859-1."""
    terms = [term.strip() for term in value.decode("latin-1").rstrip("\0 ").split("\\")]
    return [python_encoding.get(term, "iso8859") for term in terms] or ["iso8859"]


def _file_meta(instance: Instance) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.update(dataset_of(instance.meta, before=0x00030000))
    return meta


def _tag(name: int | str) -> int:
    if isinstance(name, int):
        return name
    found = keyword_dict.get(name)
    if found is None:
        raise malformed(f"{name} is no keyword", 0)
    return int(Tag(found))
