"""Instances to read: built here from synthetic people, and those that pydicom ships."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
FORMS = (IMPLICIT, EXPLICIT, BIG, DEFLATED)
CT = "1.2.840.10008.5.1.4.1.1.2"
BROKEN = {
    "DICOMDIR-nooffset",
    "MR_truncated.dcm",
    "SC_rgb_jpeg.dcm",
    "meta_missing_tsyntax.dcm",
    "rtplan_truncated.dcm",
    "winter.dcm",
}
"""Of pydicom's files, those that are meant to be broken: lengths beyond the file, no syntax, no order."""
SHIPPED = Path(pydicom.__file__).parent / "data"


def shipped() -> Iterator[Path]:
    """Yield the Part 10 files that pydicom brings."""
    for path in sorted(SHIPPED.rglob("*")):
        if path.is_file() and path.suffix in (".dcm", "") and path.read_bytes()[128:132] == b"DICM":
            yield path


def item(**values: Any) -> Dataset:
    """Return a data set of keywords and values."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def ct(**values: Any) -> Dataset:
    """Return a small CT of nobody, with a sequence, a private block and pixel data."""
    made = item(
        SpecificCharacterSet="ISO_IR 100",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        SOPClassUID=CT,
        SOPInstanceUID="1.2.3.4.5",
        StudyDate="20260302",
        Modality="CT",
        AccessionNumber="A-1001",
        PatientName="Bélanger^Zoé",
        PatientID="4711",
        PatientSex="F",
        SliceThickness="1.50",
        StudyInstanceUID="1.2.3.4",
        SeriesInstanceUID="1.2.3.4.1",
        InstanceNumber="7",
        SamplesPerPixel=1,
        Rows=2,
        Columns=2,
        BitsAllocated=16,
        PixelRepresentation=0,
        RequestAttributesSequence=Sequence(
            [
                item(ScheduledProcedureStepID="S1", ScheduledProcedureStepDescription="Thorax"),
                item(ScheduledProcedureStepID="S2", ScheduledProcedureStepDescription="Tête"),
            ]
        ),
    )
    block = made.private_block(0x0029, "PASSERELLE TEST", create=True)
    block.add_new(0x10, "LO", "private text")
    made.add_new(0x7FE00010, "OW", bytes(range(8)))
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def part10(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    """Return a data set as a Part 10 file."""
    made = Dataset(dataset)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CT)
    made.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    out = BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()
