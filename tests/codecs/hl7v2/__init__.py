"""The HL7 v2 codec: what it reads, keeps, changes and answers."""
