"""The DICOM side of two-way mappers."""
