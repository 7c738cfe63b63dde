"""Batch files: FHS, BHS, messages, BTS, FTS, cut into messages that keep their bytes, with their counts checked.

Source: HL7 v2.5.1 2.10.3 (batch protocol), 2.15.2, 2.15.3, 2.15.6, 2.15.7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import MalformedMessage
from engine.model import Fault

_START: Final = re.compile(
    rb"(?:\A(?:\xef\xbb\xbf)?[\r\n\t\x0b \0]*|(?<=[\r\n]))(MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9]|\Z)"
)
_BARE_RETURN: Final = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Member:
    """One message of a batch file: its bytes, where they begin, and its number in the file, from 1."""

    data: bytes
    offset: int
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch file; `parts` are all its pieces in order, whose concatenation is the file.

    `faults` are what is wrong, each with its byte offset: counts (`BTS-1`, `FTS-1`), a header without its trailer, a
    trailer without its header.
    """

    parts: tuple[bytes, ...]
    messages: tuple[Member, ...]
    faults: tuple[tuple[int, Fault], ...]


def read_batch(data: bytes) -> Batch:
    """Cut a file at its envelope segments and at each MSH; several messages without an envelope are a batch too.

    Raises:
        MalformedMessage: it does not begin with FHS, BHS or MSH.
    """
    starts = _starts(data)
    if not starts or starts[0][0] != 0 or starts[0][1] in (b"BTS", b"FTS"):
        raise MalformedMessage("the file does not begin with FHS, BHS or MSH", position=0, path="FHS")
    ends = [start for start, _ in starts[1:]] + [len(data)]
    parts = [(start, name, data[start:end]) for (start, name), end in zip(starts, ends, strict=True)]
    members = [(start, part) for start, name, part in parts if name == b"MSH"]
    return Batch(
        tuple(part for _, _, part in parts),
        tuple(Member(part, start, number) for number, (start, part) in enumerate(members, start=1)),
        tuple(_faults(parts, len(data))),
    )


def split(data: bytes) -> Sequence[bytes]:
    """Return the messages of a file.

    Raises:
        MalformedMessage: it is no batch file, or its counts or its envelope are wrong; `position` is where.
    """
    batch = read_batch(data)
    if batch.faults:
        position, fault = batch.faults[0]
        raise MalformedMessage(f"{fault.path}: {fault.text}", position=position, path=fault.path)
    return [member.data for member in batch.messages]


def _starts(data: bytes) -> list[tuple[int, bytes]]:
    """Return where segments of the envelope and messages begin; a lone LF in a CR-terminated file begins nothing."""
    first = re.search(rb"[\r\n]", data)
    bare = first is not None and _BARE_RETURN.match(data, first.start()) is not None
    found: list[tuple[int, bytes]] = []
    if _START.match(data) is None:
        return found
    for match in _START.finditer(data):
        start = match.start(1)
        if bare and found and data[start - 1 : start] == b"\n" and data[start - 2 : start - 1] != b"\r":
            continue
        found.append((start if found else 0, match[1]))
    return found


def _faults(parts: list[tuple[int, bytes, bytes]], size: int) -> list[tuple[int, Fault]]:
    faults: list[tuple[int, Fault]] = []
    messages = batches = 0
    open_names: list[str] = []
    for start, name_bytes, part in parts:
        name = name_bytes.decode()
        if name == "MSH":
            messages += 1
        elif name in ("FHS", "BHS"):
            open_names.append(name)
            messages, batches = (0, batches + 1) if name == "BHS" else (messages, 0)
        else:
            counted = messages if name == "BTS" else batches
            faults += [(start, fault) for fault in _count_faults(name, part, counted)]
            header = name[0] + "HS"
            if header in open_names:
                open_names.remove(header)
            else:
                faults.append((start, Fault(name, f"{name} without {header}", "invalid")))
    missing = [Fault(f"{name[0]}TS", f"{name} without its {name[0]}TS", "missing") for name in open_names]
    return faults + [(size, fault) for fault in missing]


def _count_faults(name: str, part: bytes, counted: int) -> list[Fault]:
    """BTS-1 counts messages, FTS-1 batches; both are optional."""
    said = re.split(rb"[^0-9A-Za-z ]", part[4:], maxsplit=1)[0].strip()
    if not said:
        return []
    if not said.isdigit() or int(said[:18]) != counted:
        what = "messages" if name == "BTS" else "batches"
        return [Fault(f"{name}-1", f"it counts other {what} than the {counted} that there are", "invalid")]
    return []
