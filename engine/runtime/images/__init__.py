"""What the store holds of DICOM studies, and when a study is told of as a whole."""
