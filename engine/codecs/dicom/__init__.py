"""DICOM: instances and data sets, read without their pixel data and within bounds, changed without touching it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.codecs.dicom.codec import CODEC, DicomCodec, DicomDocument

__all__ = ["CODEC", "DicomCodec", "DicomDocument"]


def __getattr__(name: str) -> Any:
    """Load the codec, and pydicom with it, when somebody reads instances: an engine without images does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from engine.codecs.dicom import codec

    return getattr(codec, name)
