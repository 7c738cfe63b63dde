"""The codec `fhir`: R4 resources and Bundles as plain JSON, read as strictly and written as exactly as JSON is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codecs.fhir.paths import FhirPath, compile_path
from engine.codecs.json import JsonDocument, path_extent, read_json, write_json
from engine.errors import MalformedMessage, Rejected
from engine.model import Fault, Message
from engine.spi import Document

CODEC_NAME = "fhir"


class FhirCodec:
    """Stateless; UTF-8 only. Decimals keep their text (`1.50`), as R4 2.6.2.4 asks.

    It takes every resource type: whether R4 has it, and its elements, is what `structural_faults` says.
    """

    name = CODEC_NAME
    content_type = "application/fhir+json"

    def decode(self, message: Message) -> JsonDocument:
        """Return the resource; `root` is its JSON object, and there is never an envelope.

        Raises:
            MalformedMessage: the body is no JSON, has a duplicate key, is nested deeper than 64, has more than
                500,000 values, or is no object with a `resourceType`.
        """
        root = read_json(message.body.read())
        if not is_resource(root):
            raise MalformedMessage("no FHIR resource: an object with a resourceType is needed")
        return JsonDocument(root, None, CODEC_NAME)

    def encode(self, document: Document) -> bytes:
        """Return compact UTF-8 with keys in order.

        Raises:
            Rejected: the root is no resource any more, or a value is none of JSON's.
        """
        if not is_resource(document.root):
            text = "no FHIR resource: an object with a resourceType is needed"
            raise Rejected(text, faults=(Fault("resourceType", text, "unwritable"),), code="unwritable")
        return write_json(document.root)

    def document(self, root: Any, envelope: Mapping[str, Any] | None = None) -> JsonDocument:
        """Wrap a resource that was made, not received."""
        return JsonDocument(root, envelope, CODEC_NAME)

    def notation(self, text: str) -> str:
        """Return the text itself."""
        return text

    def path(self, text: str) -> FhirPath:
        """Compile `Patient.name[0].family`, `Bundle.entry[*].resource.id`, `name[use == "usual"]`; ExpressionError."""
        return compile_path(text)

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        return path_extent(text, start)


def is_resource(root: Any) -> bool:
    """Say whether a value can be a resource: an object that names its type."""
    return isinstance(root, dict) and isinstance(root.get("resourceType"), str) and root["resourceType"] != ""


CODEC = FhirCodec()
