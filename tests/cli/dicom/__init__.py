"""`passerelle dicom`: its verbs, on files and on a real DICOM server."""
