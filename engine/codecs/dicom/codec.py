"""The codec `dicom`: what the engine calls to read, write and address DICOM instances (Part 10 files)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.codecs.dicom.instances import Instance, open_instance
from engine.codecs.dicom.paths import DicomPath, compile_path, path_extent
from engine.codecs.dicom.source import Source
from engine.codecs.dicom.writing import Pieces, pieces
from engine.errors import Rejected
from engine.model import INLINE_LIMIT, Body, Message
from engine.spi import Document

CODEC_NAME = "dicom"


@dataclass(slots=True)
class DicomDocument:
    """A decoded instance; `root` is its `Instance`."""

    root: Any
    envelope: Mapping[str, Any] | None = None
    codec: str = CODEC_NAME

    def copy(self) -> DicomDocument:
        """Return an independent copy; what nobody changed is shared, pixel data is not touched."""
        return DicomDocument(self.root.copy(), self.envelope, self.codec)


class DicomCodec:
    """Stateless. An instance is read as far as somebody asks; of a body in a file, pixel data is never read."""

    name = CODEC_NAME
    content_type = "application/dicom"

    def decode(self, message: Message) -> DicomDocument:
        """Return the body as a document; what is asked of it later may still turn out to be malformed.

        Raises:
            MalformedMessage: it is no Part 10 file, or a deflated one that is too large.
            Transient: the file of the body cannot be read.
        """
        body = message.body
        if body.data is None and body.path is None:
            return DicomDocument(open_instance(Source(body.read())))
        return DicomDocument(open_instance(Source(body.data, body.path, body.size)))

    def encode(self, document: Document) -> bytes:
        """Return the whole instance, the stretches that nobody changed as they came; see `body` for large ones.

        Raises:
            Rejected: it is no instance, or a value is too long for its representation.
        """
        return _pieces(document).read()

    def body(self, document: Document, content_type: str) -> Body:
        """Return what `encode` would, a large instance as bytes and stretches of the file that it came from.

        The digest of such a body is not known before it is written to a file of its own.
        """
        made = _pieces(document)
        if made.source.path is None or made.size <= INLINE_LIMIT:
            return Body.of(made.read(), content_type)
        return Body(made.size, b"", content_type=content_type, pieces=made.extents())

    def notation(self, text: str) -> Any:
        """Return the values that a constant in a route stands for: `DERIVED\\SECONDARY` are two."""
        return text.split("\\") if "\\" in text else text

    def path(self, text: str) -> DicomPath:
        """Compile `PatientName`, `(0010,0010)`, `(0029,"CREATOR",10)`, `RequestAttributesSequence[0].Modality`."""
        return compile_path(text)

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        return path_extent(text, start)


CODEC = DicomCodec()


def _pieces(document: Document) -> Pieces:
    if not isinstance(document.root, Instance):
        raise Rejected("a DICOM document holds an instance and nothing else", code="unwritable")
    return pieces(document.root)
