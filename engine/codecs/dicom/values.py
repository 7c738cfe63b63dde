"""Values as rules see them, and as they are written: texts, whole numbers, decimals, lists where there are several.

Source: DICOM PS3.5 6.2 (value representations), 6.4 (multiplicity).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from engine.codecs.dicom.bounds import MAX_VALUE
from engine.codecs.dicom.charsets import TEXTUAL, decoded, encoded, terms_of
from engine.codecs.dicom.reading import vr_of
from engine.codecs.dicom.scanning import DataSet, Element
from engine.errors import Rejected
from engine.model import Fault

CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "AT": "HH",
}  # fmt: skip
BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_SINGLE: Final = frozenset({"LT", "ST", "UT", "UR"})
_LONGEST: Final = {
    "AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "DT": 26, "IS": 12, "LO": 64, "LT": 10240, "PN": 194, "SH": 16,
    "ST": 1024, "TM": 14, "UI": 64,
}  # fmt: skip
"""Characters of one value (PS3.5 table 6.2-1)."""
_SHAPES: Final = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9 _]*"),
    "DA": re.compile(r"\d{8}"),
    "DS": re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"),
    "DT": re.compile(r"\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?"),
    "IS": re.compile(r"[+-]?\d+"),
    "TM": re.compile(r"\d{2,6}(?:\.\d{1,6})?"),
    "UI": re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*"),
}
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_MULTILINE: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_ISO_TIME: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?"
)


def terms(data: DataSet) -> tuple[str, ...]:
    """Return the character sets that hold in a data set: its own, else those of what it is an item of."""
    at: DataSet | None = data
    while at is not None:
        element = at.find(CHARACTER_SET)
        if element is not None:
            return terms_of(raw(at, element))
        at = at.parent
    return ("",)


def raw(data: DataSet, element: Element) -> bytes:
    """Return the bytes of a value; Rejected where there are more than 1 MiB, which are carried and never read."""
    if element.fresh is not None:
        return element.fresh
    if element.stop - element.start > MAX_VALUE:
        raise refused(shown(element.tag), f"a value above {MAX_VALUE} bytes is not read by rules")
    return data.source.take(element.start, element.stop)


def representation(data: DataSet, tag: int, said: str) -> str:
    """Return the value representation of an element, where the data set says none that of the dictionary."""
    vr = said if said and said != "UN" else vr_of(tag)
    if " or " not in vr:
        return vr
    if "OW" in vr and "OB" in vr:
        return "OW"
    signed = data.find(_PIXEL_REPRESENTATION)
    return "SS" if "SS" in vr and signed is not None and raw(data, signed)[:1] == b"\1" else "US"


def read(data: DataSet, element: Element) -> Any:
    """Return a value: text, int, Decimal or bytes, a list of them where there are several, "" where there is none.

    A number that is none stays a text. Attribute tags are texts as `(0010,0020)`.
    """
    vr = representation(data, element.tag, element.vr)
    value = raw(data, element)
    if not value:
        return ""
    if vr in _NUMBERS:
        return _one_or_all(_unpacked(value, vr, data.form.little))
    if vr in BINARY:
        return value if vr != "UN" else _text_of_unknown(value)
    text = decoded(value, terms(data), vr) if vr in TEXTUAL else value.decode("latin-1")
    if vr in _SINGLE:
        return text.rstrip(" \0")
    if vr == "PN":
        return _one_or_all([each.strip(" \0").rstrip("=") for each in text.split("\\")])
    return _one_or_all([_converted(each.strip(" \0"), vr) for each in text.split("\\")])


def written(data: DataSet, vr: str, value: Any, at: str) -> bytes:
    """Return the bytes of a value, padded to an even length; Rejected where it is none of its representation.

    Dates and times in ISO 8601 become those of DICOM. None writes an empty value.
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    values = [] if values in ([None], [""]) else values
    if vr in _NUMBERS:
        made = b"".join(_packed(each, vr, data.form.little, at) for each in values)
    elif vr in BINARY:
        if any(not isinstance(each, bytes) for each in values):
            raise refused(at, f"bytes are expected, since this is of representation {vr}")
        made = b"".join(values)
    else:
        texts = [_text(each, vr, at) for each in values]
        if len(texts) > 1 and vr in _SINGLE:
            raise refused(at, f"an element of representation {vr} has one value")
        try:
            made = "\\".join(texts).encode("ascii") if vr not in TEXTUAL else _in_its_set(data, texts, vr)
        except UnicodeError:
            text = "a character is not in the instance's character set: set SpecificCharacterSet first"
            raise refused(at, text) from None
    return made + (b"\0" if vr == "UI" or vr in BINARY else b" ") * (len(made) % 2)


def refused(path: str, text: str) -> Rejected:
    """Return the refusal of a value or a place; the texts hold no value."""
    return Rejected(f"{path}: {text}", faults=(Fault(path, text, "unsettable"),), code="unsettable")


def shown(tag: int) -> str:
    """Return a tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# --------------------------------------------------------------------------- reading


def _one_or_all(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _unpacked(value: bytes, vr: str, little: bool) -> list[Any]:
    code = _NUMBERS[vr]
    size = struct.calcsize("<" + code)
    found = struct.iter_unpack(("<" if little else ">") + code, value[: len(value) // size * size])
    if vr == "AT":
        return [f"({group:04X},{number:04X})" for group, number in found]
    if vr in ("FL", "FD"):
        digits = 7 if vr == "FL" else 15
        return [Decimal(f"{number:.{digits}g}") for (number,) in found]
    return [number for (number,) in found]


def _converted(text: str, vr: str) -> Any:
    if vr not in ("IS", "DS"):
        return text
    try:
        return int(text) if vr == "IS" else Decimal(text) if _SHAPES["DS"].fullmatch(text) else text
    except (ValueError, InvalidOperation):
        return text


def _text_of_unknown(value: bytes) -> Any:
    """Return what nobody says the representation of as a text where it is one, else as bytes."""
    text = value.rstrip(b"\0 ")
    return text.decode("ascii") if text.isascii() and not _MULTILINE.search(text.decode("ascii")) else value


# --------------------------------------------------------------------------- writing


def _in_its_set(data: DataSet, texts: Sequence[str], vr: str) -> bytes:
    known = terms(data)
    return b"\\".join(encoded(text, known, vr) for text in texts)


def _text(value: Any, vr: str, at: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise refused(at, "a text or a number is expected")
    text = _of_iso(str(value), vr)
    most = _LONGEST.get(vr)
    if most is not None and len(text) > most:
        raise refused(at, f"more than {most} characters, which representation {vr} does not hold")
    if text and vr in _SHAPES and not _SHAPES[vr].fullmatch(text):
        raise refused(at, f"no value of representation {vr}")
    if (_MULTILINE if vr in ("LT", "ST", "UT") else _CONTROLS).search(text):
        raise refused(at, "a control character")
    if "\\" in text and vr not in _SINGLE:
        raise refused(at, "a backslash: it would separate values")
    return text


def _of_iso(text: str, vr: str) -> str:
    if vr == "DA" and (date := _ISO_DATE.match(text)) and len(text) in (10, *range(16, 36)):
        return "".join(date.groups())
    if vr in ("DT", "TM") and (moment := _ISO_TIME.fullmatch(text)):
        year, month, day, hour, minute, second, fraction, offset = moment.groups()
        time = f"{hour}{minute}{second or '00'}{fraction or ''}"
        shift = {None: "", "Z": "+0000"}.get(offset, (offset or "").replace(":", ""))
        return time if vr == "TM" else f"{year}{month}{day}{time}{shift}"
    return text


def _packed(value: Any, vr: str, little: bool, at: str) -> bytes:
    order = "<" if little else ">"
    try:
        if vr == "AT":
            found = re.fullmatch(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?", str(value))
            if found is None:
                raise refused(at, "a tag is expected, as (0010,0020)")
            return struct.pack(order + "HH", int(found[1], 16), int(found[2], 16))
        number = float(value) if vr in ("FL", "FD") else int(str(value))
        return struct.pack(order + _NUMBERS[vr], number)
    except (ValueError, TypeError, OverflowError, struct.error):
        raise refused(at, f"no number of representation {vr}") from None
