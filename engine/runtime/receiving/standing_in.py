"""Stands in for a channel: a message as the channel of a door would hand it in, made of content alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from engine.codecs import codec
from engine.config.formats import DEFAULT_CODEC, HL7, said_codec
from engine.config.models import ListenerConfig
from engine.config.route import Door
from engine.errors import MalformedMessage
from engine.model import Body, Message, Peer

_BY_SUFFIX: Final[Mapping[str, str]] = MappingProxyType({".hl7": HL7, ".er7": HL7, ".txt": "text"})


def reader_at(listener: ListenerConfig, door: Door, file: str, content_type: str = "") -> str:
    """Return the codec that reads content at a door: its own, else what the media type says, else the file's name."""
    said = listener.codec_at(door.selector) or said_codec(listener)
    if said:
        return said
    if content_type:
        kinds = {_kind(codec(name).content_type): name for name in _BY_SUFFIX.values()}
        return kinds.get(_kind(content_type), DEFAULT_CODEC)
    return _BY_SUFFIX.get(PurePath(file).suffix.lower(), DEFAULT_CODEC)


def message_at(
    listener: ListenerConfig,
    door: Door,
    content: bytes,
    *,
    reader: str,
    id: str,
    now_ms: int,
    file: str = "",
    content_type: str = "",
    control_id: str = "",
    peer: Peer | None = None,
) -> Message:
    """Return the message that the listener's channel would hand in; `file` is a name without its folder, or "".

    Without `content_type` it has its codec's, with the character set that the listener declares. An HL7 message has
    what its channel reads in MSH, unless `control_id` says otherwise.
    """
    content_type = content_type or _media_type(listener, reader)
    message = Message(
        id=id,
        listener=door.listener,
        body=Body.of(content, content_type),
        codec=reader,
        received_ms=now_ms,
        selector=door.selector,
        partner=listener.partner,
        control_id=control_id,
        peer=peer,
        content_type=content_type,
        meta={"file": file} if file else {},
    )
    return _introduced(message, content) if reader == HL7 else message


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _media_type(listener: ListenerConfig, reader: str) -> str:
    """Return the content type that the listener's channel would give, with the character set that it declares."""
    charset = getattr(listener, "charset", None)
    written = codec(reader).content_type
    return f"{written}; charset={charset}" if charset else written


def _introduced(message: Message, content: bytes) -> Message:
    """Return an HL7 message with what its channel reads in MSH; as it is where there is none."""
    from engine.codecs.hl7v2.header import header

    try:
        found = header(content)
    except MalformedMessage:
        return message
    said = {"application": found.sending_application, "facility": found.sending_facility}
    return replace(message, control_id=message.control_id or found.control_id, meta={**message.meta, **said})
