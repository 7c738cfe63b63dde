"""HL7 v2 in ER7 notation, 2.1 to 2.8: byte-preserving and lazy; what nobody changes leaves as it came."""

from __future__ import annotations

from engine.codecs.hl7v2.codec import CODEC, Hl7Codec
from engine.codecs.hl7v2.document import Hl7Document

__all__ = ["CODEC", "Hl7Codec", "Hl7Document"]
