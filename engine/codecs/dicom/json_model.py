"""The DICOM JSON model: data sets as JSON, and back.

Source: DICOM PS3.18 F.2 (DICOM JSON model).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from engine.codecs.dicom.bounds import MAX_DEPTH, MAX_ELEMENTS, Budget
from engine.codecs.dicom.reading import UNDECODABLE
from engine.errors import MalformedMessage

_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_WHOLE: Final = frozenset({"SL", "SS", "SV", "UL", "US", "UV", "IS"})
_REAL: Final = frozenset({"DS", "FD", "FL"})
_TEXTS: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_MOST_CHARACTERS: Final = 16 * 1024 * 1024

BulkUri = Callable[[DataElement], str | None]
"""Says where a binary value can be fetched from, None where it stands inline."""


def to_json(dataset: Dataset, *, bulk: BulkUri | None = None) -> dict[str, Any]:
    """Return a data set as plain JSON values: `{"00100020": {"vr": "LO", "Value": ["4711"]}}`.

    Group lengths and file meta information are no part of the model. A value that is none of its representation stands
    as UN with its bytes, so that one odd value does not hide the others.

    Raises:
        MalformedMessage: sequences are nested too deep.
    """
    return _object(dataset, bulk, 0)


def from_json(model: Mapping[str, Any]) -> Dataset:
    """Return the data set of a JSON model; `BulkDataURI` gives an empty value, its text is not fetched.

    A data set with texts beyond ASCII and without a Specific Character Set gets ISO_IR 192, since JSON is UTF-8.

    Raises:
        MalformedMessage: it is no such model; names the tag.
    """
    made = _dataset(model, Budget(), 0, "")
    if 0x00080005 not in made and not _is_ascii(made):
        made.add(DataElement(0x00080005, "CS", "ISO_IR 192"))
    return made


# --------------------------------------------------------------------------- to JSON


def _object(dataset: Dataset, bulk: BulkUri | None, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise MalformedMessage(f"sequences are nested deeper than {MAX_DEPTH}")
    found: dict[str, Any] = {}
    for tag in sorted(dataset.keys()):
        if tag.element == 0 or tag.group == 2:
            continue
        came = dataset.get_item(tag).value
        try:
            found[f"{tag:08X}"] = _element(dataset[tag], bulk, depth)
        except UNDECODABLE:
            raw = came if isinstance(came, bytes) else str(came).encode()
            found[f"{tag:08X}"] = {"vr": "UN", "InlineBinary": base64.b64encode(raw).decode("ascii")}
    return found


def _element(element: DataElement, bulk: BulkUri | None, depth: int) -> dict[str, Any]:
    vr = _single(element.VR)
    made: dict[str, Any] = {"vr": vr}
    if vr == "SQ":
        if element.value:
            made["Value"] = [_object(item, bulk, depth + 1) for item in element.value]
    elif vr in _BINARY or isinstance(element.value, bytes):
        uri = bulk(element) if bulk is not None else None
        if uri is not None:
            made["BulkDataURI"] = uri
        elif element.value:
            made["InlineBinary"] = base64.b64encode(bytes(element.value)).decode("ascii")
    elif not element.is_empty:
        values = element.value if isinstance(element.value, (list, tuple, MultiValue)) else [element.value]
        made["Value"] = [_value(value, vr) for value in values]
    return made


def _single(vr: str) -> str:
    """Return one representation where the dictionary leaves a choice that nobody made."""
    return {"US or SS": "US", "US or OW": "US", "US or SS or OW": "US", "OB or OW": "OW"}.get(vr, str(vr))


def _value(value: Any, vr: str) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        name = value if isinstance(value, PersonName) else PersonName(str(value))
        groups = zip(_GROUPS, (name.alphabetic, name.ideographic, name.phonetic), strict=True)
        return {group: text for group, text in groups if text} or None
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in _WHOLE:
        return int(value)
    if vr in _REAL:
        number = float(value)
        return number if math.isfinite(number) else str(value)
    return str(value)


# --------------------------------------------------------------------------- from JSON


def _dataset(model: Any, budget: Budget, depth: int, path: str) -> Dataset:
    if not isinstance(model, Mapping):
        raise _wrong(path, "an object is expected")
    if depth > MAX_DEPTH:
        raise _wrong(path, f"sequences are nested deeper than {MAX_DEPTH}")
    made = Dataset()
    for name, attribute in model.items():
        if not isinstance(name, str) or not _TAG.fullmatch(name):
            raise _wrong(path, "a tag is eight hexadecimal digits")
        tag = BaseTag(int(name, 16))
        if tag.group == 2 or tag.element == 0:
            continue
        made.add(_from_attribute(tag, attribute, budget, depth, f"{path}{_shown(tag)}"))
    return made


def _from_attribute(tag: BaseTag, attribute: Any, budget: Budget, depth: int, path: str) -> DataElement:
    vr = attribute.get("vr") if isinstance(attribute, Mapping) else None
    budget.left -= 1
    if budget.left < 0:
        raise _wrong(path, f"there are more than {MAX_ELEMENTS} elements")
    if vr == "SQ":
        items = _values(attribute, path)
        return DataElement(
            tag, "SQ", Sequence([_dataset(item or {}, budget, depth + 1, f"{path}.") for item in items])
        )
    if vr in _BINARY:
        return DataElement(tag, vr, _binary(attribute, path), already_converted=True)
    if vr not in _WHOLE | _REAL | _TEXTS | {"PN", "AT"}:
        raise _wrong(path, "there is no such value representation")
    values = [_read(value, vr, path) for value in _values(attribute, path)]
    budget.left -= len(values)
    value = None if not values else values[0] if len(values) == 1 else values
    try:
        return DataElement(tag, vr, value)
    except UNDECODABLE as error:
        raise _wrong(path, "the value is none of its representation") from error


def _values(attribute: Mapping[str, Any], path: str) -> list[Any]:
    found = attribute.get("Value", [])
    if not isinstance(found, list):
        raise _wrong(path, "Value is an array")
    return found


def _read(value: Any, vr: str, path: str) -> Any:
    if value is None:
        return "" if vr in _TEXTS or vr in ("PN", "IS", "DS") else None
    if vr == "PN" and isinstance(value, Mapping):
        groups = [value.get(group, "") for group in _GROUPS]
        if all(isinstance(text, str) for text in groups):
            return "=".join(groups).rstrip("=")
    elif vr == "AT" and isinstance(value, str) and _TAG.fullmatch(value):
        return BaseTag(int(value, 16))
    elif vr in _TEXTS and isinstance(value, str):
        return value
    elif (
        vr in _WHOLE | _REAL
        and isinstance(value, int | float | Decimal | str)
        and not isinstance(value, bool)
    ):
        return _number(value, vr, path)
    raise _wrong(path, "the value is none of its representation")


def _number(value: int | float | Decimal | str, vr: str, path: str) -> Any:
    text = str(value)
    try:
        if vr in ("IS", "DS"):
            found = Decimal(text)
            if not found.is_finite():
                raise ValueError
            return str(int(found)) if vr == "IS" else text if len(text) <= 16 else f"{float(found):.10g}"
        return int(Decimal(text)) if vr in _WHOLE else float(text)
    except (ValueError, ArithmeticError) as error:
        raise _wrong(path, "a number is expected") from error


def _binary(attribute: Mapping[str, Any], path: str) -> bytes:
    inline = attribute.get("InlineBinary", "")
    if not isinstance(inline, str) or len(inline) > _MOST_CHARACTERS:
        raise _wrong(path, "InlineBinary is a base64 text of at most 16 MiB")
    try:
        return base64.b64decode(inline, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(path, "InlineBinary is no base64") from error


def _is_ascii(dataset: Dataset) -> bool:
    for element in dataset:
        if element.VR == "SQ":
            if not all(_is_ascii(item) for item in element.value):
                return False
        elif element.VR not in _BINARY and not str(element.value).isascii():
            return False
    return True


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _wrong(path: str, text: str) -> MalformedMessage:
    return MalformedMessage(f"{path}: {text}" if path else text, path=path)
