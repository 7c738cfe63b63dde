"""The codec `json`: what the engine calls to read, write and address JSON messages and CloudEvents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codecs.json.cloudevents import event_of, whole_event
from engine.codecs.json.document import CODEC_NAME, JsonDocument
from engine.codecs.json.paths import JsonPath, compile_path, path_extent
from engine.codecs.json.reading import read_json
from engine.codecs.json.writing import write_json
from engine.model import Message
from engine.spi import Document


class JsonCodec:
    """Stateless; UTF-8 only (RFC 8259 8.1). A value that a path does not find is "", a null that it finds is None."""

    name = CODEC_NAME
    content_type = "application/json"

    def decode(self, message: Message) -> JsonDocument:
        """Return the body as a document; a CloudEvent, structured or binary, gives its data and its envelope.

        Raises:
            MalformedMessage: the body is no JSON, has a duplicate key, is nested deeper than 64, or has more
                than 500,000 values.
            Rejected: it is a CloudEvent with a wrong or missing attribute; each fault names its path.
        """
        return event_of(read_json(message.body.read()), message.headers, message.content_type)

    def encode(self, document: Document) -> bytes:
        """Return compact UTF-8 with keys in order; a document with an envelope becomes one structured CloudEvent.

        Raises:
            Rejected: a value is none of JSON's, or holds a lone surrogate.
        """
        if document.envelope is None:
            return write_json(document.root)
        return write_json(whole_event(document.envelope, document.root))

    def document(self, root: Any, envelope: Mapping[str, Any] | None = None) -> JsonDocument:
        """Wrap a value that was made, not received."""
        return JsonDocument(root, envelope)

    def notation(self, text: str) -> str:
        """Return the text itself."""
        return text

    def path(self, text: str) -> JsonPath:
        """Compile `appointment.start`, `participant[0].actor`, `[*]`, `items[.code == "X"]`; ExpressionError."""
        return compile_path(text)

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        return path_extent(text, start)


CODEC = JsonCodec()
