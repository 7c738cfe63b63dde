"""Makes a message of what a broker delivered: control id, headers, CloudEvents attributes.

Source: AMQP 0-9-1 1.8.3 (basic properties), CloudEvents AMQP Protocol Binding 1.0.2 section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from aiormq.abc import DeliveredMessage

from channels._hl7 import charset_of, is_hl7, sender_of
from channels.amqp.model import AmqpListener
from engine.model import Body, Message, Peer
from engine.spi import ChannelContext

_PREFIXES = ("cloudEvents:", "cloudEvents_", "ce-")
_ALLOWED = frozenset({"traceparent", "tracestate", "correlation-id", "causation-id"})
_MOST_HEADERS = 32
_LONGEST_VALUE = 1024


def received_message(
    delivered: DeliveredMessage, config: AmqpListener, context: ChannelContext, place: str
) -> Message:
    """Return the message; its control id is the message_id, else CloudEvents `source` and `id`, else ""; of HL7 v2
    it is MSH-10 where there is one.

    CloudEvents attributes of the binary mode become headers `ce-*`; a structured event is left to its codec.
    """
    properties = delivered.header.properties
    headers = headers_of(properties.headers or {})
    if properties.correlation_id:
        headers.setdefault("correlation-id", properties.correlation_id[:_LONGEST_VALUE])
    event = f"{headers['ce-source']} {headers['ce-id']}" if {"ce-source", "ce-id"} <= headers.keys() else ""
    content_type = properties.content_type or ""
    codec = config.codec or ("hl7v2" if is_hl7(content_type) else "json")
    meta: dict[str, object] = {
        "routing_key": delivered.routing_key or "",
        "type": properties.message_type or "",
    }
    control_id = properties.message_id or event
    if codec == "hl7v2":
        sender = sender_of(delivered.body, charset=charset_of(content_type), zone=context.zone)
        meta |= sender.meta
        control_id = sender.control_id or control_id
    return Message(
        id=context.new_id(),
        listener=context.name,
        body=Body.of(delivered.body),
        codec=codec,
        received_ms=context.clock.now_ms(),
        partner=config.partner,
        control_id=control_id,
        peer=Peer(place),
        content_type=content_type,
        headers=headers,
        meta=meta,
    )


def headers_of(table: Mapping[str, object]) -> dict[str, str]:
    """Return the headers that are allowed in, at most 32, in lower case; values are cut at 1,024 characters."""
    found: dict[str, str] = {}
    for name, value in table.items():
        known = _known(name)
        if known and isinstance(value, str | int | bool | bytes | datetime) and len(found) < _MOST_HEADERS:
            found[known] = _text(value)[:_LONGEST_VALUE]
    return found


def _known(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return f"ce-{name.removeprefix(prefix).lower()}"
    return name.lower() if name.lower() in _ALLOWED else ""


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
    return str(value)
