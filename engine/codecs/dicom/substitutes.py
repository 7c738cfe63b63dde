"""What stands in place of what identifies somebody: dummies, other UIDs, shifted dates, texts of harmless words.

All that is keyed depends on the destination's secret and the original alone: the same study, sent twice or in parts,
gets the same UIDs, and nobody without the secret can tell which they were.
Source: DICOM PS3.15 E.1.1, E.3.6; PS3.5 B.2 (UIDs derived from UUIDs).
"""

from __future__ import annotations

import base64
import hmac
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Final

DUMMY: Final = "ANONYMIZED"
_DUMMIES: Final = {
    "AE": b"ANON", "AS": b"000Y", "CS": b"ANON", "DA": b"19000101", "DS": b"0", "DT": b"19000101000000", "IS": b"0",
    "TM": b"000000", "UR": b"urn:none", "AT": bytes(4), "FL": bytes(4), "FD": bytes(8), "SL": bytes(4), "SS": bytes(2),
    "UL": bytes(4), "US": bytes(2), "SV": bytes(8), "UV": bytes(8), "OD": bytes(8), "OF": bytes(4), "OL": bytes(4),
    "OV": bytes(8), "OB": bytes(2), "OW": bytes(2), "UN": bytes(2),
}  # fmt: skip
_STANDARD: Final = "1.2.840.10008."
_MOST_DAYS: Final = 3650
_WORD: Final = re.compile(r"\w+", re.UNICODE)
_MEASURE: Final = re.compile(r"\d{1,2}(?:mm|cm)")
_PLAIN_WORDS: Final = """
    a abdomen abdominal adult and angio ankle aorta arterial arthro ap arm artery au aux axial avec biopsy bone brain
    breast bras cardiac carotid cerebral cervical chest cheville colon contrast contraste coronal coude crane ct cta
    cystography de delayed des diffusion doppler dorsal dos du dual dwi dynamic ecg echo elbow enhanced et exam examen
    face femur film flair fluoro foot for foie frontal genou guided hand hanche head heart hepatic hip injection
    irm jambe joint kidney knee lateral leg liver localizer lombaire low lower lumbar lung main mammo mammography mr mra
    mri mrcp neck neuro nm oblique of os pa pelvis pet phase pied plain planar poignet portal post poumon pre profil
    protocol pulmonary rachis radio radiography rein reconstruction renal report rx sagittal sans scan scout screening
    sequence series serie shoulder sinus skull soft spect spine stent study survey t1 t2 tdm tete thin thorax tibia
    tissue tomo topogram trauma ultrasound upper us vascular veine vein venous view views wb whole with without wrist
    xr xray
"""


def _bare(word: str) -> str:
    whole = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in whole if not unicodedata.combining(character))


HARMLESS: Final = frozenset(_PLAIN_WORDS.split())
"""Words of descriptions that say what was examined and how, never who; without accents, in lower case."""


@dataclass(frozen=True, slots=True)
class Substitutes:
    """Makes substitutes with one destination's key; `words` are kept in cleaned texts beside the harmless ones."""

    key: bytes
    words: frozenset[str] = frozenset()

    def uid(self, uid: str) -> str:
        """Return another UID for one that identifies something; those of the standard itself say nothing of anybody."""
        if not uid or uid.startswith(_STANDARD):
            return uid
        number = int.from_bytes(self._digest("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) | 0x8 << 76  # a UUID of version 8, of RFC 9562's variant
        return f"2.25.{number & ~(0x3 << 62) | 0x2 << 62}"

    def patient(self, identifier: str) -> str:
        """Return a pseudonym of 16 letters and digits, "" for none."""
        if not identifier:
            return ""
        return base64.b32encode(self._digest("patient", identifier)[:10]).decode("ascii")

    def days(self, identifier: str) -> int:
        """Return by how many days the dates of a patient are set back: from 1 to ten years."""
        return int.from_bytes(self._digest("days", identifier)[:8], "big") % _MOST_DAYS + 1

    def cleaned(self, text: str) -> str:
        """Return a text's harmless words, and small measures; all else is left out."""
        known = [word for word in _WORD.findall(text) if self._is_harmless(word)]
        return " ".join(known)

    def _is_harmless(self, word: str) -> bool:
        bare = _bare(word)
        return bare in HARMLESS or bare in self.words or bool(_MEASURE.fullmatch(bare))

    def _digest(self, what: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{what}\0{value}".encode(), sha256)


def words_of(words: tuple[str, ...]) -> frozenset[str]:
    """Return words as they are compared: without accents and capitals."""
    return frozenset(_bare(word) for word in words)


def dummy(vr: str) -> bytes:
    """Return a value of a representation that says nothing."""
    return _DUMMIES.get(vr, DUMMY.encode("ascii"))


def shifted(value: str, days: int) -> str:
    """Return a date, or a date and time, set back by days; a dummy for what is none. A time alone stays."""
    try:
        day = date(int(value[:4]), int(value[4:6]), int(value[6:8]))
        return (day - timedelta(days)).strftime("%Y%m%d").rjust(8, "0") + value[8:]
    except (ValueError, OverflowError):
        return "19000101"
