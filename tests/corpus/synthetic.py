"""What the corpus is full of, written for this project: nobody in these messages exists."""

from __future__ import annotations

from collections.abc import Mapping

from tests.codecs.hl7v2.samples import ADT, ORU
from tests.codecs.hl7v2.test_corpus import SYNTHETIC


def asking(accept: str, application: str, control_id: str) -> bytes:
    """Return an admission that says which acknowledgements it wants."""
    return ADT.replace("|AL|NE", f"|{accept}|{application}").replace("MSG00001", control_id).encode()


_MODES = ("", "AL", "NE", "ER", "SU", '""', "al", "XX")

UNREADABLE: Mapping[str, bytes] = {
    "utf-16": ADT.encode("utf-16"),
    "text": b"Bonjour",
    "nothing": b"",
    "json": b'{"resourceType": "Patient"}',
    "header-behind": b"PID|1||77\rMSH|^~\\&|A|B\r",
    "letters-for-delimiters": ADT.replace("|", "x").encode(),
}
"""Refused, and the bytes kept: what does not begin with a header segment and a field separator."""

FILES: Mapping[str, bytes] = {
    **SYNTHETIC,
    **UNREADABLE,
    **{
        f"asks-{accept}-{application}": asking(accept, application, f"M{accept}{application}"[:20])
        for accept in _MODES
        for application in _MODES
    },
    "bare": b"MSH|\r",
    "no-id": ADT.replace("MSG00001", "").encode(),
    "no-type": ORU.replace("ORU^R01^ORU_R01", "").encode(),
    "old": ADT.replace("ADT^A01^ADT_A01", "ADT").replace("2.5.1", "2.1").encode(),
    "odd-type": ADT.replace("ADT^A01^ADT_A01", "ADT^A0*").encode(),
    "framed": b"\x0b" + ORU.replace("|R1|", "|R2|").encode() + b"\x1c\r",
    "z-first": ORU.replace("PID|1", "ZAA|z\rPID|1").encode(),
    "japanese": ADT.replace("Jean", "山田").replace("|AL|NE", "|||||~ISO IR87").encode("iso2022_jp"),
    "chinese": ADT.replace("Jean", "张").replace("|AL|NE", "|||||GB 18030-2000").encode("gb18030"),
    "many-segments": (ORU + "NTE|1||line\r" * 5000).encode(),
    "large": (ORU + "OBX|3|ED|X||" + "QUJD" * 100_000 + "\r").encode(),
}
