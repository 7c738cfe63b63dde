"""The HL7 v2 side of two-way mappers."""
