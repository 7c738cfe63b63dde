"""DICOM: instances and data sets, read without their pixel data and within bounds, changed without touching it."""
