"""An instance as it is read: the head of a Part 10 file, then its data set; the root that paths start from.

Source: DICOM PS3.10 7.1 (file meta information); PS3.5 A.5 (deflated data sets).
"""

from __future__ import annotations

import zlib
from typing import Final

from engine.codecs.dicom.bounds import MAX_INFLATED, malformed
from engine.codecs.dicom.scanning import DataSet
from engine.codecs.dicom.source import Source
from engine.codecs.dicom.syntaxes import META, form_of

_PREAMBLE: Final = 128
_TRANSFER_SYNTAX: Final = 0x00020010
_LENGTH: Final = 0x00020000
_FIRST_OF_DATA: Final = 0x00030000
_PIECE: Final = 256 * 1024


class Instance(DataSet):
    """The data set of a Part 10 file, with what stands before it; `file` is the whole content.

    `source` is the file itself, but of a deflated data set what it holds. `stripped` says that of what stands before
    the data set only what has to be there is written.
    """

    __slots__ = ("file", "meta", "stripped", "transfer_syntax")

    file: Source
    meta: DataSet
    transfer_syntax: str
    stripped: bool

    def copy(self, parent: DataSet | None = None) -> Instance:
        """Return an independent copy."""
        made = super().copy(parent)
        assert isinstance(made, Instance)
        made.file, made.meta, made.transfer_syntax = self.file, self.meta.copy(), self.transfer_syntax
        made.stripped = self.stripped
        return made


def open_instance(source: Source) -> Instance:
    """Read the head of a Part 10 file; of a file, one window is read.

    Raises:
        MalformedMessage: it is none, or says no transfer syntax.
        Transient: the file cannot be read.
    """
    if source.size < _PREAMBLE + 4 or source.take(_PREAMBLE, _PREAMBLE + 4) != b"DICM":
        raise malformed("DICM is missing", _PREAMBLE)
    meta = _meta(source)
    found = meta.find(_TRANSFER_SYNTAX)
    if found is None or found.stop - found.start > 64:
        raise malformed("the file says no transfer syntax", _PREAMBLE + 4, _TRANSFER_SYNTAX)
    syntax = source.take(found.start, found.stop).rstrip(b"\0 ").decode("latin-1")
    form = form_of(syntax)
    data = _inflated(source, meta.stop) if form.deflated else source
    instance = Instance(data, form, 0 if form.deflated else meta.stop, data.size)
    instance.file, instance.meta, instance.transfer_syntax = source, meta, syntax
    instance.stripped = False
    return instance


def data_set(data: bytes, transfer_syntax: str) -> DataSet:
    """Return a data set that has no file around it; MalformedMessage where it cannot be inflated."""
    form = form_of(transfer_syntax)
    source = Source(data)
    if form.deflated:
        source = _inflated(source, 0)
    return DataSet(source, form, 0, source.size)


def _meta(source: Source) -> DataSet:
    """Return the file meta information: as long as it says, else as far as group 0002 goes."""
    start = _PREAMBLE + 4
    meta = DataSet(source, META, start, source.size)
    said = meta.find(_LENGTH)
    if said is not None and said.vr == "UL" and said.stop - said.start == 4:
        stop = said.end + int.from_bytes(source.take(said.start, said.stop), "little")
        if stop > source.size:
            raise malformed("the file meta information is longer than the file", start, _LENGTH)
        meta = DataSet(source, META, start, stop)
    meta.find(_FIRST_OF_DATA - 1)
    meta.stop = meta.end = max((each.end for each in meta.elements.values()), default=start)
    return meta


def _inflated(source: Source, start: int) -> Source:
    """Return what a deflated data set holds; what would be larger than any is not inflated."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    left = MAX_INFLATED
    try:
        for position in range(start, source.size, _PIECE):
            piece = source.take(position, min(position + _PIECE, source.size))
            pieces.append(inflate.decompress(piece, left + 1))
            left -= len(pieces[-1])
            if left < 0 or inflate.unconsumed_tail:
                raise malformed(f"the data set inflates to more than {MAX_INFLATED} bytes", start)
            if inflate.eof:
                break
    except zlib.error as error:
        raise malformed("the data set cannot be inflated", start) from error
    if not inflate.eof:
        raise malformed("the deflated data set ends too early", source.size)
    return Source(b"".join(pieces))
