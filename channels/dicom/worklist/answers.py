"""Writes answers of a query straight from the DICOM JSON model: what was asked for, in the character set that holds it.

A worklist of thousands of steps is answered from stored JSON; making pydicom data sets of it first takes ten times as
long. Values are texts, which is all that the attributes of a worklist have.

Source: DICOM PS3.5 7.1 (data elements), 7.5 (sequences), 6.1 (character sets); PS3.18 F.2; PS3.4 C.4.1.1.3 (responses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from pydicom.dataset import Dataset

from engine.codecs.dicom.syntaxes import form_of

CHARACTER_SET: Final = "00080005"
LATIN_1: Final = ("ISO_IR 100", "latin-1")
UTF_8: Final = ("ISO_IR 192", "utf-8")
_LONG: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"})
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attribute that is asked for; `inner` are those of a sequence's items, () for whole items."""

    tag: str
    vr: str
    inner: tuple[Wanted, ...] = ()


def wanted_of(identifier: Dataset) -> tuple[Wanted, ...]:
    """Return what the answers to a query have; how it is written and private attributes are no part of them."""
    found = []
    for element in identifier:
        tag = f"{element.tag:08X}"
        if tag == CHARACTER_SET or element.tag.element == 0 or element.tag.is_private:
            continue
        inner: tuple[Wanted, ...] = ()
        if element.VR == "SQ" and element.value:
            inner = wanted_of(element.value[0])
        found.append(Wanted(tag, str(element.VR), inner))
    return tuple(found)


def chosen(found: Mapping[str, Any], wanted: tuple[Wanted, ...]) -> dict[str, Any]:
    """Return what is asked for of one object; what it has not is there without a value."""
    made: dict[str, Any] = {}
    for each in wanted:
        element = found.get(each.tag) or {"vr": each.vr}
        if each.inner and "Value" in element:
            items = [chosen(item, each.inner) for item in element["Value"]]
            element = {"vr": "SQ", "Value": items}
        made[each.tag] = element
    return made


class Writer:
    """Encodes objects in one transfer syntax."""

    def __init__(self, transfer_syntax: str) -> None:
        form = form_of(transfer_syntax)
        order = "<" if form.little else ">"
        self._order = order
        self._implicit = form.implicit
        self._implicit_head = Struct(f"{order}HHL")
        self._short_head = Struct(f"{order}HH2sH")
        self._long_head = Struct(f"{order}HH2s2xL")

    def write(self, found: Mapping[str, Any]) -> bytes:
        """Return an object as a data set, with its Specific Character Set where a text is beyond ASCII.

        ISO_IR 100 where every text fits it, which every modality reads; else ISO_IR 192.
        """
        for name, encoding in (("", "ascii"), LATIN_1, UTF_8):
            whole = {CHARACTER_SET: {"vr": "CS", "Value": [name]}, **found} if name else found
            try:
                return self._object(whole, encoding)
            except UnicodeEncodeError:
                continue
        raise AssertionError("every text fits UTF-8")

    def _object(self, found: Mapping[str, Any], encoding: str) -> bytes:
        return b"".join([self._element(tag, found[tag], encoding) for tag in sorted(found)])

    def _element(self, tag: str, element: Mapping[str, Any], encoding: str) -> bytes:
        vr, values = element["vr"], element.get("Value", ())
        if vr == "SQ":
            value = b"".join([self._item(item, encoding) for item in values])
        elif vr in _NUMBERS:
            packed = Struct(self._order + _NUMBERS[vr])
            value = b"".join([packed.pack(number) for number in values])
        else:
            text = "\\".join([_text(each) for each in values])
            value = text.encode(encoding, "replace" if encoding == "utf-8" else "strict")
            if len(value) % 2:
                value += b"\x00" if vr == "UI" else b" "
        group, number = int(tag[:4], 16), int(tag[4:], 16)
        if self._implicit:
            return self._implicit_head.pack(group, number, len(value)) + value
        if vr in _LONG:
            return self._long_head.pack(group, number, vr.encode(), len(value)) + value
        if (
            len(value) > 0xFFFE
        ):  # no text of a worklist is so long; a longer one would end another element's value
            value = value[:0xFFFE]
        return self._short_head.pack(group, number, vr.encode(), len(value)) + value

    def _item(self, item: Mapping[str, Any], encoding: str) -> bytes:
        value = self._object(item, encoding)
        return self._implicit_head.pack(0xFFFE, 0xE000, len(value)) + value


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        groups = [value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)
