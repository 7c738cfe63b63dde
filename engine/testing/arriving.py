"""Makes the messages of golden tests as a listener's channel would hand them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.codecs import codec
from engine.codecs.hl7v2.header import header
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.config.formats import DEFAULT_CODEC, HL7, said_codec
from engine.config.models import ListenerConfig
from engine.config.route import Door
from engine.errors import MalformedMessage
from engine.model import Body, Message
from engine.testing.cases import Arrival


def arriving(
    arrival: Arrival, door: Door, listener: ListenerConfig, folder: Path, *, id: str, now_ms: int
) -> Message:
    """Return the message that an arrival stands for; its file lies below `folder`."""
    reader = listener.codec_at(door.selector) or said_codec(listener) or DEFAULT_CODEC
    content = _content(folder / arrival.file, arrival.set, reader)
    media_type = _media_type(listener, reader)
    message = Message(
        id=id,
        listener=door.listener,
        body=Body.of(content, media_type),
        codec=reader,
        received_ms=now_ms,
        selector=door.selector,
        partner=listener.partner,
        control_id=arrival.control_id,
        content_type=media_type,
        meta={"file": arrival.file.name},
    )
    return _introduced(message) if reader == HL7 else message


def _media_type(listener: ListenerConfig, reader: str) -> str:
    """Return the content type that the listener's channel would give, with the character set that it declares."""
    charset = getattr(listener, "charset", None)
    written = codec(reader).content_type
    return f"{written}; charset={charset}" if charset else written


def _introduced(message: Message) -> Message:
    """Return an HL7 message with what its channel reads in MSH; as it is where there is none."""
    try:
        found = header(message.body.read())
    except MalformedMessage:
        return message
    said = {"application": found.sending_application, "facility": found.sending_facility}
    return replace(message, control_id=message.control_id or found.control_id, meta={**message.meta, **said})


def _content(path: Path, changed: Mapping[str, str], reader: str) -> bytes:
    content = path.read_bytes()
    if not changed:
        return content
    if reader == HL7:
        root = parse(content)
        for place, value in changed.items():
            codec(HL7).path(place).set(root, value)
        return write(root)
    return _changed_json(content, changed)


def _changed_json(content: bytes, changed: Mapping[str, str]) -> bytes:
    root: Any = json.loads(content)
    for dotted, value in changed.items():
        *parents, last = dotted.split(".")
        node = root
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node[name]
        node[last] = value
    return json.dumps(root).encode()
