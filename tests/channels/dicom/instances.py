"""Made-up instances of made-up people, as Part 10 files."""

from __future__ import annotations

from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset

from channels._dicom.receiving import file_meta

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def part10(
    uid: str,
    *,
    sop_class: str = SECONDARY_CAPTURE,
    comments: str = "",
    pixels: int = 64,
    syntax: str = EXPLICIT,
    study: str = "2.25.1",
) -> bytes:
    """Return an instance; `syntax` is what its file says: the pixels are never compressed, and nobody here looks."""
    return file_meta(sop_class, uid, syntax) + data_set(
        uid, sop_class=sop_class, comments=comments, pixels=pixels, study=study
    )


def data_set(
    uid: str,
    *,
    sop_class: str = SECONDARY_CAPTURE,
    comments: str = "",
    pixels: int = 64,
    study: str = "2.25.1",
) -> bytes:
    """Return the data set of an instance, explicit VR little endian."""
    made = Dataset()
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = uid
    made.PatientName = "ESSAI^IMAGERIE"
    made.PatientID = "TEST0001"
    made.PatientComments = comments
    made.StudyInstanceUID = study
    made.SeriesInstanceUID = "2.25.2"
    made.Modality = "OT"
    made.add_new(0x7FE00010, "OB", bytes(pixels))
    raw = BytesIO()
    file = DicomFileLike(raw)
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, made)
    return raw.getvalue()
