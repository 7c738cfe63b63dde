"""The Native DICOM Model in XML, read into the DICOM JSON model as far as texts go: some services answer in it.

Source: DICOM PS3.19 A.1 (Native DICOM Model), PS3.18 F.2 (JSON model).
"""

from __future__ import annotations

from typing import Any, Final, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

_DEPTH_MAX: Final = 32


def model_of_xml(text: str) -> dict[str, Any]:
    """Return attributes by tag, values as texts, items of sequences as mappings.

    Raises:
        ValueError: it is no XML, declares a document type, or is nested too deep.
    """
    reader = _Reader()
    parser = ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(text.encode("utf-8"), True)
    except ExpatError as error:
        raise ValueError("the answer is no XML") from error
    return reader.root


def _no_doctype(*_: object) -> NoReturn:
    raise ValueError("an XML answer declares a document type")


class _Reader:
    """Puts the model together while the text is read."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._models: list[dict[str, Any]] = [self.root]
        self._attributes: list[dict[str, Any]] = []
        self._value: list[str] | None = None
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise ValueError("the XML answer is nested too deep")
        if name == "DicomAttribute":
            made: dict[str, Any] = {"vr": attributes.get("vr", "UN"), "Value": []}
            self._models[-1][attributes.get("tag", "")] = made
            self._attributes.append(made)
        elif name == "Item" and self._attributes:
            item: dict[str, Any] = {}
            self._attributes[-1]["Value"].append(item)
            self._models.append(item)
        elif name == "Value":
            self._value = []

    def text(self, data: str) -> None:
        if self._value is not None:
            self._value.append(data)

    def end(self, name: str) -> None:
        self._depth -= 1
        if name == "DicomAttribute":
            self._attributes.pop()
        elif name == "Item" and len(self._models) > 1:
            self._models.pop()
        elif name == "Value" and self._value is not None:
            if self._attributes:
                self._attributes[-1]["Value"].append("".join(self._value).strip())
            self._value = None
