"""The codec `opaque`: bytes that are carried unchanged and never looked into, such as images or archives.

Paths: `size` (bytes) and `sha256` (hex). The body is a handle until it is sent: a large file is not read to route it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ExpressionError, Rejected
from engine.model import Body, Fault, Message
from engine.spi import Document, Getter


@dataclass(slots=True)
class OpaqueDocument:
    """A body that is not decoded; `root` is its `Body`."""

    root: Any
    envelope: Mapping[str, Any] | None = None
    codec: str = "opaque"

    def copy(self) -> OpaqueDocument:
        """Return another document of the same body, which never changes."""
        return OpaqueDocument(self.root, self.envelope, self.codec)


@dataclass(frozen=True, slots=True)
class OpaquePath:
    """A fact about the body."""

    text: str
    get: Getter = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Always raise Rejected."""
        raise self._refused()

    def remove(self, root: Any) -> None:
        """Always raise Rejected."""
        raise self._refused()

    def _refused(self) -> Rejected:
        text = "an opaque body cannot be changed"
        return Rejected(
            f"{self.text}: {text}", faults=(Fault(self.text, text, "unsettable"),), code="unsettable"
        )


_FACTS: Mapping[str, Getter] = {"size": lambda body: body.size, "sha256": lambda body: body.sha256.hex()}


class OpaqueCodec:
    """Stateless."""

    name = "opaque"
    content_type = "application/octet-stream"

    def decode(self, message: Message) -> OpaqueDocument:
        """Return the body's handle; nothing is read."""
        return OpaqueDocument(message.body)

    def encode(self, document: Document) -> bytes:
        """Return the bytes as they came; blocks on the disk for a large body."""
        body = document.root
        if not isinstance(body, Body):
            raise Rejected("an opaque document holds a body and nothing else", code="unwritable")
        return body.read()

    def notation(self, text: str) -> str:
        """Return the text itself."""
        return text

    def path(self, text: str) -> OpaquePath:
        """Compile `size` or `sha256`; ExpressionError."""
        if text not in _FACTS:
            known = " or ".join(_FACTS)
            raise ExpressionError(
                "an opaque body has no such path", length=max(1, len(text)), help=f"write {known}"
            )
        return OpaquePath(text, _FACTS[text])

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""
        end = start
        while end < len(text) and text[end].isalnum():
            end += 1
        return end


CODEC = OpaqueCodec()
