"""What a caller accepts: media types and transfer syntaxes, by the Accept header.

Source: RFC 9110 12.5.1 (Accept); DICOM PS3.18 8.3.3 (acceptable media types), 8.7.3 (transfer syntaxes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from channels.dicomweb.multipart import media_type

OCTETS: Final = "application/octet-stream"
DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
_RANGE: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_RANGES_MAX: Final = 32

_ENCAPSULATED: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
_PLAIN: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is accepted: `kind` of a part, "*" for any; its `syntax`, "*" for any, "" where it is not said."""

    kind: str
    multipart: bool
    syntax: str

    def takes(self, kind: str, syntax: str) -> bool:
        """Tell whether a part of this kind and transfer syntax is what is wanted."""
        return self.kind in ("*", kind) and self.syntax in ("", "*", syntax)


def wanted_of(accept: str) -> Sequence[Wanted]:
    """Return what an Accept header names, best first; without one everything is accepted."""
    if not accept.strip():
        return (Wanted("*", True, "*"),)
    found: list[tuple[float, Wanted]] = []
    for text in _RANGE.findall(accept)[:_RANGES_MAX]:
        range_ = media_type(text.strip())
        if range_ is None:
            continue
        quality = _quality(range_.parameters.get("q", "1"))
        syntax = range_.parameters.get("transfer-syntax", "")
        if range_.is_multipart or range_.name in ("*/*", "multipart/*"):
            kind = range_.parameters.get("type", "*").lower()
            found.append((quality, Wanted(kind, True, syntax)))
        else:
            found.append((quality, Wanted(range_.name, False, syntax)))
    return [wanted for quality, wanted in sorted(found, key=lambda each: -each[0]) if quality > 0]


def takes_json(accept: str) -> bool:
    """Tell whether an answer in the DICOM JSON model is accepted."""
    return any(
        wanted.kind in ("*", JSON, "application/json", "application/*") for wanted in wanted_of(accept)
    )


def frames_kind(syntax: str) -> str:
    """Return the media type of frames of a transfer syntax as they are stored; "" where they cannot be given so.

    Big endian pixels would have to be changed; a video has no frames of its own.
    """
    return OCTETS if syntax in _PLAIN else _ENCAPSULATED.get(syntax, "")


def is_plain(syntax: str) -> bool:
    """Tell whether values are as little endian and as plain as they have to be outside of an instance."""
    return syntax in _PLAIN


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", text) else 0.0
