"""Data sets without a file around them, as DIMSE carries them: identifiers, attribute lists, action information.

Source: DICOM PS3.7 6.3.1 (a data set is spelled as its presentation context says); PS3.5 7.
"""

from __future__ import annotations

import zlib

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from engine.codecs.dicom.bounds import malformed
from engine.codecs.dicom.instances import data_set
from engine.codecs.dicom.reading import UNDECODABLE, dataset_of
from engine.codecs.dicom.scanning import ALL_TAGS
from engine.codecs.dicom.syntaxes import form_of
from engine.errors import Rejected


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Return the data set with every value decoded, nested ones too; it is independent of `data`.

    Raises:
        MalformedMessage: it is none in this transfer syntax, is nested too deep or has too many elements (with the
            offset), or a value is none of its representation (with the tag).
    """
    made = dataset_of(data_set(data, transfer_syntax), before=ALL_TAGS)
    _settle(made)
    return made


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return a data set as it travels, without group lengths, texts in its Specific Character Set.

    Raises:
        Rejected: a value cannot be written; the fault names no value.
    """
    form = form_of(transfer_syntax)
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = form.implicit, form.little
    try:
        write_dataset(out, dataset)
    except UNDECODABLE as error:
        raise Rejected(f"a data set cannot be written ({type(error).__name__})", code="unwritable") from error
    made = out.getvalue()
    return deflated(made) if form.deflated else made


def deflated(data: bytes) -> bytes:
    """Return a data set as the deflated transfer syntax has it, of even length (PS3.5 A.5)."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    made = deflate.compress(data) + deflate.flush()
    return made + b"\0" * (len(made) % 2)


def _settle(dataset: Dataset) -> None:
    """Decode every value: pydicom does so when one is asked for, far away from who knows what came."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except UNDECODABLE as error:
            raise malformed("the value is none of its representation", 0, int(tag)) from error
        if element.VR == "SQ":
            for item in element.value:
                _settle(item)
