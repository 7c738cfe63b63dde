"""DICOM as everyone speaks it who sends or takes instances: associations, messages, Part 10 files."""
