"""Made-up DICOM instances of made-up people, as Part 10 files."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY, SERIES = "2.25.10", "2.25.20"


def part10(uid: str, *, pixels: int = 32, **more: object) -> bytes:
    """Return a small CT instance; `pixels` are bytes of pixel data, `more` keywords of its data set."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = UID(CT)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = UID(uid)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, SERIES
    made.StudyDate, made.StudyTime, made.TimezoneOffsetFromUTC = "20261102", "091500.250", "-0500"
    made.StudyDescription, made.AccessionNumber, made.StudyID = "Thorax", "A26-1", "7"
    made.PatientName, made.PatientID, made.IssuerOfPatientID = "Essai^Zoé^Marie", "TEST0001", "CHUX"
    made.PatientBirthDate, made.PatientSex = "19840302", "F"
    made.ReferringPhysicianName = "Gagnon^Nora"
    made.Modality, made.SeriesNumber, made.SeriesDescription = "CT", 2, "Axial"
    made.BodyPartExamined, made.InstanceNumber = "CHEST", 1
    made.Rows = made.Columns = 4
    for keyword, value in more.items():
        setattr(made, keyword, value)
    made.add_new(0x7FE00010, "OW", bytes(pixels))
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()
