"""What a two-way mapping asks of the house: documents of each side, the zone of a message, and where two differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codecs import codec
from engine.codecs.hl7v2.document import Hl7Document
from engine.codecs.json.document import JsonDocument
from engine.config.formats import HL7
from engine.config.loaded import Loaded
from engine.spi import Document, Scope
from engine.steps.two_way import CODECS

_CHARSET = codec(HL7).path("MSH-18")


class Sides:
    """The sides of one configuration; implements `engine.steps.contract.House`."""

    def __init__(self, loaded: Loaded) -> None:
        self._zones = {name: listener.zone for name, listener in loaded.app.listen.items() if listener.zone}
        self._zone = loaded.app.engine.zone
        self._name = loaded.app.engine.name

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._name

    def document(self, side: str, root: Any, envelope: Mapping[str, Any] | None = None) -> Document:
        """Wrap what a mapper made of one side."""
        name = CODECS[side]
        return Hl7Document(root) if name == HL7 else JsonDocument(root, envelope, name)

    def made(self, side: str, root: Any) -> Document:
        """Wrap what a mapper made without a complement: an HL7 message names UTF-8 where it names no character set.

        Without MSH-18 it would be ASCII, and could not hold a name with an accent. Source: HL7 v2.5.1 2.15.9.18.
        """
        document = self.document(side, root)
        if document.codec == HL7 and not _CHARSET.get(root):
            _CHARSET.set(root, "UNICODE UTF-8")
        return document

    def zone(self, scope: Scope) -> str:
        """Return the zone of times without an offset: the listener's, else the sender's, else the engine's."""
        said = self._zones.get(str(scope.meta.get("listener", "")))
        if said is None and scope.sender is not None:
            said = scope.sender.get("zone")
        return said or self._zone

    def difference(self, side: str, was: Any, now: Any) -> tuple[int, str] | None:
        """Return the first byte and the path at which two roots differ as they are written, None where nowhere.

        JSON values are compared as values: the order of keys tells nothing.
        """
        if CODECS[side] != HL7:
            path = _json_difference(was, now, "")
            if path is None:
                return None
            return _first(self._bytes(side, was), self._bytes(side, now)), path
        before, after = self._bytes(side, was), self._bytes(side, now)
        if before == after:
            return None
        offset = _first(before, after)
        return offset, _hl7_path(before, offset)

    def _bytes(self, side: str, root: Any) -> bytes:
        name = "json" if side == "dicom" else side  # of an image, what is compared is its JSON model
        return codec(CODECS[name]).encode(self.document(name, root))


def _first(before: bytes, after: bytes) -> int:
    """Return the offset of the first byte that is not the same."""
    short = min(len(before), len(after))
    return next((at for at in range(short) if before[at] != after[at]), short)


def _hl7_path(message: bytes, offset: int) -> str:
    """Return the field in which an offset lies, as `PID-3`: MSH-1 is the delimiter itself (HL7 v2.5.1 2.15.9.1)."""
    begin = max(message.rfind(b"\r", 0, offset), message.rfind(b"\n", 0, offset)) + 1
    segment = message[begin : begin + 3].decode("ascii", "replace")
    mark = message[3:4]
    fields = message[begin:offset].count(mark) if mark else 0
    number = fields + 1 if segment == "MSH" and fields else fields
    return f"{segment}-{number}" if number else segment


def _json_difference(was: Any, now: Any, path: str) -> str | None:
    """Return the path of the first difference of two JSON values, None where they are equal."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in (*was, *(key for key in now if key not in was)):
            place = f"{path}.{key}" if path else key
            if (key in was) != (key in now):
                return place
            if (found := _json_difference(was[key], now[key], place)) is not None:
                return found
        return None
    if isinstance(was, list) and isinstance(now, list):
        for index, (one, other) in enumerate(zip(was, now, strict=False)):
            if (found := _json_difference(one, other, f"{path}[{index}]")) is not None:
                return found
        return None if len(was) == len(now) else f"{path}[{min(len(was), len(now))}]"
    return None if type(was) is type(now) and was == now else path
