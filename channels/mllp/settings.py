"""What listeners and endpoints of type `mllp` are told alike: the bytes around a message, and its character set."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import model_validator

from channels.mllp.framing import END, START, TAIL, Framing
from engine.codecs.hl7v2.charsets import codecs_of
from engine.config.models import Reading, StrictModel


def _read_bytes(text: str) -> bytes:
    if text == "none":
        return b""
    if not re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{2}(?:[ ,]+(?:0x)?[0-9A-Fa-f]{2}){0,3}", text, re.ASCII):
        raise ValueError
    return bytes(int(part, 16) for part in re.split(r"[ ,]+", text))


def _read_charset(text: str) -> str:
    if not codecs_of(text):
        raise ValueError
    return str(text)


FrameBytes = Annotated[
    bytes,
    Reading("one to four bytes in hexadecimal", "write 0B, 0x1C, 1C 0D or none", bytes, _read_bytes),
]
Charset = Annotated[
    str,
    Reading(
        "a character set",
        "write UNICODE UTF-8, 8859/1, windows-1252 or another of HL7 table 0211",
        (),
        _read_charset,
    ),
]


class FrameConfig(StrictModel):
    """The bytes around each message, in hexadecimal; those of the standard where they are not given."""

    start: FrameBytes = START
    """Start block."""

    end: FrameBytes = END
    """End block."""

    tail: FrameBytes = TAIL
    """What follows the end block; `none` for partners that leave the carriage return out."""

    @model_validator(mode="after")
    def _frames(self) -> Self:
        if not self.start or not self.end:
            raise ValueError(
                "a message is found by its start and its end block: give at least one byte for each"
            )
        if self.start == self.end:
            raise ValueError("the start and the end block are the same bytes")
        return self

    def framing(self) -> Framing:
        """Return the bytes as the framing needs them."""
        return Framing(self.start, self.end, self.tail)
