"""What one file holds: a message, or with HL7 v2 the messages of a batch, each with an id and a sender of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from channels._hl7 import ER7, sender_of, with_charset
from channels.file.model import FileListener
from engine.codecs.hl7v2.batch import read_batch
from engine.errors import MalformedMessage, Rejected
from engine.model import Body

_KINDS = {
    ".json": ("json", "application/json"),
    ".hl7": ("hl7v2", ER7),
    ".dcm": ("dicom", "application/dicom"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of a file."""

    body: Body
    control_id: str
    codec: str
    content_type: str
    meta: Mapping[str, object] = field(default_factory=dict)


def pieces_of(file: str, content: bytes, config: FileListener, *, zone: str) -> Sequence[Piece]:
    """Return the messages of a file in order; `file` is its name in its folder.

    Raises:
        Rejected: the counts of a batch are wrong, or a header lacks its trailer; each fault names its segment.
    """
    name = os.fsencode(file).decode("utf-8", "replace")
    kind, content_type = _KINDS.get(Path(name).suffix.lower(), ("text", "application/octet-stream"))
    codec = config.codec or kind
    if codec == "hl7v2":
        return [_message(name, number, data, config, zone) for number, data in _cut(content, config)]
    body = Body.of(content)
    return [Piece(body, f"{name} {body.sha256.hex()}", codec, content_type, {"file": name})]


def _cut(content: bytes, config: FileListener) -> Sequence[tuple[int, bytes]]:
    """Return the messages with their numbers from 1; number 0 is a file that is one message, whatever it holds."""
    if config.batch == "whole":
        return [(0, content)]
    try:
        batch = read_batch(content)
    except MalformedMessage:
        return [(0, content)]  # the intake refuses it, and keeps its bytes
    faults = [fault for _, fault in batch.faults]
    if faults:
        said = "; ".join(f"{fault.path}: {fault.text}" for fault in faults)
        raise Rejected(said, faults=faults, code="batch")
    if len(batch.parts) == 1:
        return [(0, content)]
    return [(member.number, member.data) for member in batch.messages]


def _message(name: str, number: int, data: bytes, config: FileListener, zone: str) -> Piece:
    body = Body.of(data)
    sender = sender_of(data, charset=config.charset, zone=zone)
    place = f"#{number}" if number else ""
    return Piece(
        body,
        sender.control_id or f"{name}{place} {body.sha256.hex()}",
        "hl7v2",
        with_charset(ER7, config.charset),
        {"file": name, "number": number, **sender.meta},
    )
