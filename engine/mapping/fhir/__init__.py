"""The FHIR side of two-way mappers, and that of plain JSON."""
