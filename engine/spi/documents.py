"""Documents and codecs: bytes become a tree with paths, and go back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.model import Body, Message


class Getter(Protocol):
    """A compiled path: returns the value in a document's root, the codec's "absent" when there is none."""

    def __call__(self, root: Any) -> Any: ...


class CompiledPath(Protocol):
    """A path compiled once by its codec; `text` is as people wrote it."""

    @property
    def text(self) -> str: ...

    @property
    def get(self) -> Getter: ...

    def set(self, root: Any, value: Any) -> None:
        """Write `value` in place, making what is missing on the way; Rejected where the path cannot be."""

    def remove(self, root: Any) -> None:
        """Take the leaf, item or segment out in place; absent is no error."""


class Document(Protocol):
    """A decoded message that steps may change.

    `root` is what paths are read from: for a CloudEvent the event's data, with `envelope` its other attributes.
    """

    codec: str
    root: Any
    envelope: Mapping[str, Any] | None

    def copy(self) -> Document:
        """Return an independent copy: changing one never changes the other."""


class Codec(Protocol):
    """Bytes <-> document for one content type; pure and synchronous, called on the accept path."""

    name: str
    content_type: str

    def decode(self, message: Message) -> Document:
        """Raise MalformedMessage with a position when the body is no document of this type."""

    def encode(self, document: Document) -> bytes:
        """Return the document's bytes; what was not changed keeps its spelling."""

    def notation(self, text: str) -> Any:
        """Return the value that a constant in a route stands for, in this format's own notation (`ADT^A08`)."""

    def path(self, text: str) -> CompiledPath:
        """Compile a path; raise ExpressionError with the offset of what is wrong."""

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""


class LargeCodec(Codec, Protocol):
    """A codec of content that may be too large for memory."""

    def body(self, document: Document, content_type: str) -> Body:
        """Return what `encode` would; what is large as pieces (`Body.pieces`), of which the store makes a file."""
