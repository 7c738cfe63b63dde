"""DICOM: instances and data sets, read without their pixel data and within bounds, changed without touching it."""

from __future__ import annotations

from engine.codecs.dicom.codec import CODEC, DicomCodec, DicomDocument

__all__ = ["CODEC", "DicomCodec", "DicomDocument"]
