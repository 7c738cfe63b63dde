"""Files of each side of a mapper: read into what a mapper reads, and written as people and programs read them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.cli.hl7.files import stored_of
from engine.errors import MalformedMessage
from engine.model import Body, Message
from engine.spi import Scope

CODECS: Final = {"v2": "hl7v2", "event": "json", "fhir": "fhir", "json": "json", "dicom": "json"}
SIDES: Final = tuple(CODECS)
_HL7_BEGINS: Final = (b"MSH", b"FHS", b"BHS", b"\x0b")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Given:
    """One document of a file: its side, its root as mappers read it, where it stands, and the envelope of an event."""

    side: str
    root: Any
    place: str
    envelope: Mapping[str, Any] | None = None


def side_of(data: bytes) -> str:
    """Return the side that bytes are of: HL7 v2 begins with a header segment, FHIR has a `resourceType`, and a Part 10
    file of DICOM its prefix.

    Other JSON is taken for an event.
    """
    if _is_image(data):
        return "dicom"
    text = data.removeprefix(_BOM).lstrip()
    if text.startswith(_HL7_BEGINS):
        return "v2"
    from engine.codecs.json.reading import read_json

    if not text.startswith((b"{", b"[")):
        raise MalformedMessage("neither HL7 v2, which begins with MSH, FHS or BHS, nor JSON; say --from")
    root = read_json(data)
    return "fhir" if isinstance(root, dict) and "resourceType" in root else "event"


def _is_image(data: bytes) -> bool:
    """Say whether bytes are a Part 10 file. Source: DICOM PS3.10 7.1."""
    return data[128:132] == b"DICM"


def given(path: Path, side: str | None, charset: str = "") -> Sequence[Given]:
    """Return the documents of a file; of a batch of HL7, each message.

    Raises:
        MalformedMessage: it cannot be read as what it should be; the text names the file.
    """
    piped = str(path) == "-"
    name = "(standard input)" if piped else str(path)
    data = sys.stdin.buffer.read() if piped else path.read_bytes()
    try:
        side = side or side_of(data)
        if side == "v2":
            return [_read("v2", each.data, each.place, charset) for each in stored_of(name, data)]
        return [_read(side, data, name, "")]
    except MalformedMessage as error:
        told = str(error)
        text = told if told.startswith(name) else f"{name}: {told}"
        raise MalformedMessage(text, position=error.position) from error


def _read(side: str, data: bytes, place: str, charset: str) -> Given:
    from engine.codecs import codec

    if _is_image(data):
        from engine.codecs.dicom.instances import open_instance
        from engine.codecs.dicom.source import Source
        from engine.codecs.dicom.studies import study_in

        return Given(side, study_in(open_instance(Source.of(data))), place)
    name = CODECS[side]
    media_type = codec(name).content_type + (f"; charset={charset}" if charset else "")
    message = Message("", "", Body.of(data, media_type), name, 0, content_type=media_type)
    document = codec(name).decode(message)
    return Given(side, document.root, place, document.envelope)


def scope_of(path: Path | None, envelope: Mapping[str, Any] | None, identifier: str, kind: str) -> Scope:
    """Return what computed values read beside the event: of a file with `meta`, `sender` and `partner`, else little.

    Raises:
        MalformedMessage: the file is no such JSON.
    """
    from engine.codecs.json.reading import read_json

    told = read_json(path.read_bytes()) if path is not None else {}
    if not isinstance(told, dict) or set(told) - {"meta", "sender", "partner"}:
        raise MalformedMessage(f"{path}: is an object with meta, sender and partner")
    meta = {"id": identifier, "event": envelope or {"type": kind}, **told.get("meta", {})}
    return Scope(None, None, meta, 0, sender=told.get("sender"), partner=told.get("partner"))


def written(side: str, root: Any) -> bytes:
    """Return a document's bytes as it travels; Rejected where it cannot be written."""
    from engine.codecs import codec
    from engine.codecs.hl7v2.document import Hl7Document
    from engine.codecs.json.document import JsonDocument

    name = CODECS[side]
    return codec(name).encode(Hl7Document(root) if side == "v2" else JsonDocument(root, None, name))


def shown(side: str, data: bytes) -> str:
    """Return bytes as people read them: a segment a line, JSON indented."""
    from engine.cli.changes import Picture

    return "\n".join(Picture(CODECS[side], data).lines())
