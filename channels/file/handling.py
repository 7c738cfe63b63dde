"""Reads whole files and puts them away afterwards; every function here blocks on the disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from channels._folder import sync_folder
from channels.file.watch import Found, Signature

_CHUNK = 1 << 20
_NOT_WHOLE = "it changed while it was read"


class NotWhole(Exception):
    """The file changed, was replaced or went away since it was seen: look at it again later."""


@dataclass(frozen=True, slots=True)
class Away:
    """Where one file goes: into `folder` under its name, or under `other` where that is taken; `reason` beside it."""

    found: Found
    folder: Path
    other: str
    reason: bytes | None = None


def read_whole(folder: Path, found: Found) -> bytes:
    """Return the content of a file that is still as it was seen, before and after reading.

    Raises:
        NotWhole: it is not.
        OSError: it cannot be read.
    """
    try:
        # A name that became a symbolic link or a pipe is refused here, not followed and not waited for.
        descriptor = os.open(folder / found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotWhole(_NOT_WHOLE) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotWhole(_NOT_WHOLE) from None
        raise
    try:
        _check(descriptor, found.signature)
        chunks, left = [], found.signature.size
        while left and (chunk := os.read(descriptor, min(left, _CHUNK))):
            chunks.append(chunk)
            left -= len(chunk)
        _check(descriptor, found.signature)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _check(descriptor: int, signature: Signature) -> None:
    now = os.fstat(descriptor)
    if not stat.S_ISREG(now.st_mode) or Signature.of(now) != signature:
        raise NotWhole(_NOT_WHOLE)


def put_away(folder: Path, moves: Sequence[Away]) -> None:
    """Move files by rename and make it durable; what was replaced meanwhile stays, to be taken as a new message."""
    for move in moves:
        if move.reason is not None:
            _write_reason(move)
        _move(folder, move)
    for target in {move.folder for move in moves}:
        sync_folder(target)
    if moves:
        sync_folder(folder)


def _move(folder: Path, move: Away) -> None:
    source = folder / move.found.name
    target = _free(move)
    try:
        if Signature.of(os.lstat(source)) != move.found.signature:
            return
        os.rename(source, target)
    except FileNotFoundError:
        return  # somebody took it away: its message is committed all the same
    if Signature.of(os.lstat(target)) != move.found.signature:
        # Replaced in the instant before the rename: nobody has read this one, so it goes back to be taken.
        os.rename(target, folder / move.other if os.path.lexists(source) else source)


def _free(move: Away) -> Path:
    target = move.folder / move.found.name
    return move.folder / move.other if os.path.lexists(target) else target


def _write_reason(move: Away) -> None:
    name = f"{_free(move).name}.reason.txt"
    hidden = move.folder / f".{name}.tmp"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with open(descriptor, "wb") as file:
        file.write(move.reason or b"")
        file.flush()
        os.fsync(descriptor)
    os.rename(hidden, move.folder / name)


def other_name(name: str, message_id: str) -> str:
    """Return `name` with the message's id before its extension: `RDV_1~01JD.json`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}~{message_id}.{suffix}" if dot and stem else f"{name}~{message_id}"
