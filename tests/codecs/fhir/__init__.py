"""The FHIR codec: what R4 defines, what of it is checked, and what is read, kept and resolved."""
