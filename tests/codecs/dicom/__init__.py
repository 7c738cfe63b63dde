"""The DICOM codec: what it reads within which bounds, what it changes, and what it leaves untouched."""
