"""Synthetic messages that the tests of the HL7 tools read."""

from __future__ import annotations

from pathlib import Path

ADMISSION = (
    b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01^ADT_A01|MSG00001|P|2.5.1\r"
    b"EVN|A01|20260114093012\r"
    b"PID|1||000123^^^HSJ^MR~99887^^^RAMQ&2.16.1&ISO^JHN||ESSAI^PATIENT||19700131|F\r"
    b"PV1|1|I|2N^214^1\r"
    b"ZPV|secret\r"
)
TRANSFER = ADMISSION.replace(b"A01", b"A02").replace(b"MSG00001", b"MSG00002")


def write(folder: Path, **messages: bytes) -> None:
    """Write messages as files NAME.hl7."""
    for name, data in messages.items():
        (folder / f"{name}.hl7").write_bytes(data)
