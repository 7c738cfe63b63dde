"""A decoded HL7 message, as steps and the runtime hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CODEC_NAME = "hl7v2"


@dataclass(slots=True)
class Hl7Document:
    """A decoded message; `root` is its `Er7`."""

    root: Any
    envelope: Mapping[str, Any] | None = None
    codec: str = CODEC_NAME

    def copy(self) -> Hl7Document:
        """Return an independent copy; segments that nobody changed are shared."""
        return Hl7Document(self.root.copy(), self.envelope, self.codec)
