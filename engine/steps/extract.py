"""`extract`: take a document that a message carries out of it, so that it can travel as a file or a part of its own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import CompiledPath, Document, Scope
from engine.steps.contract import ExpressionText, Rendered, StepConfig, StepType, TemplateText, Workshop

MAGIC: Final[Mapping[str, tuple[bytes, ...]]] = {
    "application/pdf": (b"%PDF-",),
    "application/rtf": (b"{\\rtf",),
    "application/zip": (b"PK\x03\x04",),
    "application/dicom": (b"DICM",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/tiff": (b"II*\0", b"MM\0*"),
    "text/rtf": (b"{\\rtf",),
}
"""What content of a media type begins with; DICOM's stands after a preamble of 128 bytes (PS3.10 7.1)."""
_SPACE: Final = re.compile(r"\s+|\\\.br\\", re.ASCII)
"""What senders break long lines of base64 with; RFC 2045 6.8 asks to ignore it."""
_ENCAPSULATED: Final = re.compile(r"(OBX(?:\[.*\])?)-5(?:\[\d+\])?\.5")
_RP: Final = (("OBX-5.1", "OBX-5.2"), ("OBX-5.2", "OBX-5.3"), ("OBX-5.3", "OBX-5.4"))
"""Where source application, type and subtype stand in ED, and where in RP (HL7 v2.5.1 2A.24, 2A.70)."""


class ExtractConfig(StepConfig):
    """The value becomes `vars.NAME` with `content`, `type`, `size` (bytes) and `sha256`; a destination sends it by
    `body: vars.NAME`. Where the path leads to nothing, there is no such value and the message goes on."""

    as_: str = Field(alias="as", pattern="^[A-Za-z_][A-Za-z0-9_]*$")
    """The name under `vars`."""
    from_: ExpressionText = Field(alias="from")
    """Where it stands, as `msg.` and a path: `msg.OBX[OBX-2 == "ED"]-5.5`."""
    decode: Literal["base64", "hex", "none"] = "base64"
    """How the content is written there."""
    expect: str = "application/octet-stream"
    """Its media type; content that begins otherwise refuses the message. Beside octet-stream and text, those whose
    beginning is known: PDF, RTF, ZIP, DICOM, JPEG, PNG, GIF, TIFF."""
    leave: Literal["reference", "remove", "keep"] = "reference"
    """What stays in its place: a reference, nothing, or all of it. In OBX-5 of HL7 a reference makes the observation
    one of type RP, whose first component points to the content."""
    reference: TemplateText | None = None
    """With `leave: reference`, the text to leave, as a file's name; without it `ni:///sha-256;...` (RFC 6920)."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.from_.startswith("msg."):
            raise ValueError("what is extracted stands in the message: write `from: msg.` and a path")
        if self.reference is not None and self.leave != "reference":
            raise ValueError("`reference` goes with `leave: reference`")
        if self.expect not in MAGIC and not self.expect.startswith(("application/octet-stream", "text/")):
            raise ValueError(f"nobody knows how {self.expect} begins: expect one of {', '.join(MAGIC)}")
        return self


Leave = Callable[[Any, str], None]
"""Writes a reference into a document's root, or takes out what stands there."""


@dataclass(frozen=True, slots=True)
class Extract:
    """The compiled step."""

    name: str
    path: CompiledPath
    decode: Callable[[str], bytes]
    expect: str
    leave: Leave | None
    reference: Rendered | None

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        found = self.path.get(document.root)
        if found in ("", None):
            return (document,)
        if not isinstance(found, str):
            raise self._fault("gives several values: say which, as in [1]")
        try:
            content = self.decode(found)
        except ValueError:
            raise self._fault("is not written as `decode` says") from None
        if not _begins(content, self.expect):
            raise self._fault(f"does not begin as {self.expect} does")
        digest = hashlib.sha256(content)
        scope.vars[self.name] = {
            "content": content,
            "type": self.expect,
            "size": len(content),
            "sha256": digest.hexdigest(),
        }
        if self.leave is not None:
            named = f"ni:///sha-256;{base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()}"
            self.leave(document.root, named if self.reference is None else self.reference.render(scope))
        return (document,)

    def _fault(self, text: str) -> Rejected:
        path = self.path.text
        return Rejected(f"{path} {text}", faults=(Fault(path, text, "invalid"),), code="not_extractable")


def _begins(content: bytes, expect: str) -> bool:
    start = content[128:132] if expect == "application/dicom" else content[:16]
    return expect not in MAGIC or start.startswith(MAGIC[expect])


def _base64(text: str) -> bytes:
    """Decode RFC 4648 4, its padding optional; line breaks are no part of it."""
    plain = _SPACE.sub("", text).rstrip("=")
    if not plain.isascii():
        raise ValueError
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _hex(text: str) -> bytes:
    return binascii.unhexlify(_SPACE.sub("", text).encode("ascii"))


_DECODERS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "base64": _base64,
    "hex": _hex,
    "none": lambda text: text.encode(),
}


def _build(config: ExtractConfig, workshop: Workshop) -> Extract:
    path = workshop.path(config.from_.removeprefix("msg."))
    return Extract(
        name=config.as_,
        path=path,
        decode=_DECODERS[config.decode],
        expect=config.expect,
        leave=_leave(config.leave, path, workshop),
        reference=None if config.reference is None else workshop.template(config.reference),
    )


def _leave(what: str, path: CompiledPath, workshop: Workshop) -> Leave | None:
    if what == "keep":
        return None
    if what == "remove":
        return lambda root, text: path.remove(root)
    encapsulated = _ENCAPSULATED.fullmatch(path.text) if workshop.codec.name == "hl7v2" else None
    if encapsulated is None:
        return path.set
    segment = workshop.path(encapsulated[1])
    kind, value, pointer = (workshop.path(text) for text in ("OBX-2", "OBX-5", "OBX-5.1"))
    moved = [(workshop.path(old), workshop.path(new)) for old, new in _RP]

    def leave(root: Any, text: str) -> None:
        """Make the observation one of type RP; one that is none of type ED keeps its type."""
        found = segment.get(root)
        held = found[0] if isinstance(found, list) else found
        if kind.get(held) != "ED":
            path.set(root, text)
            return
        kept = [(new, old.get(held)) for old, new in moved]
        value.set(held, "")
        kind.set(held, "RP")
        pointer.set(held, text)
        for new, old in kept:
            if old != "":
                new.set(held, old)

    return leave


STEP = StepType("extract", ExtractConfig, _build)
