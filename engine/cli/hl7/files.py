"""Reads the messages of files: plain, a batch with FHS and BHS, or a capture with MLLP's frame bytes still around."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engine.cli.hl7.framing import START, Frames, framed
from engine.errors import MalformedMessage

PATH: Any = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""A file, or `-` for standard input."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of a file; `number` counts from 1, `of` is how many the file has."""

    file: str
    number: int
    of: int
    data: bytes

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return self.file if self.of == 1 else f"{self.file}, message {self.number} of {self.of}"


def stored_in(path: Path) -> Sequence[Stored]:
    """Return the messages of a file in order.

    Raises:
        MalformedMessage: it does not begin as HL7 v2 does; the text names the file.
    """
    if str(path) == "-":
        return stored_of("(standard input)", sys.stdin.buffer.read())
    return stored_of(str(path), path.read_bytes())


def stored_of(name: str, data: bytes) -> Sequence[Stored]:
    """Return the messages of a file's content in order; MalformedMessage as above."""
    from engine.codecs.hl7v2.batch import read_batch

    found: list[bytes] = []
    for piece in _unframed(data):
        try:
            found += [member.data for member in read_batch(piece).messages]
        except MalformedMessage as error:
            raise MalformedMessage(f"{name}: {error}", position=error.position, path="MSH") from None
    return [Stored(name, number, len(found), each) for number, each in enumerate(found, start=1)]


def _unframed(data: bytes) -> Iterator[bytes]:
    """Yield what stands between frame bytes; all of it where there are none."""
    if not data.startswith(START):
        yield data
        return
    frames = Frames()
    yield from frames.feed(data if data.endswith(b"\x1c\r") else framed(data[1:].rstrip(b"\x1c\r\n")))
