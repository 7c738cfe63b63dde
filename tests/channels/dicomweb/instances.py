"""Made-up instances of made-up persons, as Part 10 files, and requests that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
STUDY, SERIES = "2.25.100", "2.25.200"


def dataset(
    uid: str, *, study: str = STUDY, series: str = SERIES, pixels: int = 64, name: str = ""
) -> Dataset:
    """Return a small secondary capture: one frame of `pixels` bytes."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = UID(SECONDARY_CAPTURE)
    made.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = SECONDARY_CAPTURE
    made.SOPInstanceUID = uid
    made.PatientName = name or "ESSAI^IMAGERIE"
    made.PatientID = "TEST0001"
    made.StudyDate = "20261122"
    made.StudyInstanceUID = study
    made.SeriesInstanceUID = series
    made.Modality = "OT"
    columns = 8 if pixels < 4096 else 512
    made.Rows, made.Columns, made.SamplesPerPixel, made.BitsAllocated = pixels // columns, columns, 1, 8
    made.add_new(0x7FE00010, "OB", bytes(range(256)) * (pixels // 256) + bytes(range(pixels % 256)))
    return made


def file_of(made: Dataset) -> bytes:
    """Return a data set as a Part 10 file."""
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def instance(uid: str, **more: object) -> bytes:
    """Return a small instance as a Part 10 file; see `dataset`."""
    return file_of(dataset(uid, **more))  # type: ignore[arg-type]  # whatever `dataset` takes


def related(*files: bytes, boundary: str = "frontier", kind: str = "application/dicom") -> bytes:
    """Return a multipart body whose parts are these."""
    parts = [
        f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + content + b"\r\n" for content in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def stow(
    body: bytes,
    *,
    path: str = "/studies",
    content_type: str = 'multipart/related; type="application/dicom"; boundary=frontier',
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request that stores."""
    lines = [f"POST {path} HTTP/1.1", "Host: images.example", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(
    path: str, *, accept: str = "", method: str = "GET", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request that reads."""
    lines = [f"{method} {path} HTTP/1.1", "Host: images.example"]
    lines += [f"Accept: {accept}"] if accept else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()
