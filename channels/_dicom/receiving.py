"""An instance on its way in: our file meta, then the data set as it comes, in memory or in a file, hashed as it passes.

The file is a Part 10 file of the transfer syntax that was agreed on; not a byte of the data set is changed.
Source: DICOM PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from struct import pack
from typing import Final

from channels._dicom.hashing import Following
from engine.model import INLINE_LIMIT, Body

CONTENT_TYPE: Final = "application/dicom"
KEPT_OF_TOO_LARGE: Final = 64 * 1024
_PREAMBLE: Final = bytes(128) + b"DICM"
CLASS_UID: Final = "2.25.312750247656911645752505518825564817784"
VERSION_NAME: Final = "PASSERELLE"
_ALONGSIDE: Final = 4 * 2**20
"""From this size on a thread of its own hashes what comes: half of the time that a large instance takes."""

_FLUSH_EVERY: Final = 8 * 2**20


def file_meta(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Return preamble, prefix and file meta information.

    The same instance gives the same bytes whoever sends it, and in every version of the engine: its hash tells a copy
    from another instance under the same UID.
    """
    elements = b"".join(
        (
            _element(0x0001, b"OB", b"\x00\x01"),
            _element(0x0002, b"UI", _uid(sop_class)),
            _element(0x0003, b"UI", _uid(sop_instance)),
            _element(0x0010, b"UI", _uid(transfer_syntax)),
            _element(0x0012, b"UI", _uid(CLASS_UID)),
            _element(0x0013, b"SH", VERSION_NAME.encode()),
        )
    )
    return _PREAMBLE + _element(0x0000, b"UL", pack("<L", len(elements))) + elements


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    head = pack("<HH2s", 0x0002, element, vr)
    return head + (pack("<xxL", len(value)) if vr == b"OB" else pack("<H", len(value))) + value


def _uid(text: str) -> bytes:
    return text.encode("latin-1") + b"\x00" * (len(text) % 2)


class Spool:
    """The content of one instance while it arrives; used by one thread at a time.

    It stays in memory up to the engine's limit for inline bodies, then becomes the file `path`. OSError says that the
    disk does not take it.
    """

    def __init__(self, path: Path, head: bytes) -> None:
        self.size = len(head)
        self._path = path
        self._hash = hashlib.sha256(head)
        self._kept = bytearray(head)
        self._descriptor = -1
        self._following: Following | None = None
        self._flushed = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next piece."""
        self.size += len(data)
        if self._following is None:
            self._hash.update(data)
        if self._descriptor < 0:
            self._kept += data
            if len(self._kept) <= INLINE_LIMIT:
                return
            self._open()
            data = bytes(self._kept)
            self._kept.clear()
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._hurry_on()

    def finish(self) -> Body:
        """Return the whole content; a file is synced, its name is not: whoever keeps it gives it another."""
        if self._descriptor < 0:
            return Body(self.size, self._hash.digest(), bytes(self._kept), None, CONTENT_TYPE)
        os.fsync(self._descriptor)
        digest = self._following.finish() if self._following is not None else self._hash.digest()
        self._close()
        return Body(self.size, digest, None, self._path, CONTENT_TYPE)

    def beginning(self) -> Body:
        """Return the first part of what came, for the record of a refusal."""
        kept = bytes(self._kept[:KEPT_OF_TOO_LARGE])
        if self._descriptor >= 0:
            kept = os.pread(self._descriptor, KEPT_OF_TOO_LARGE, 0)
        return Body.of(kept, CONTENT_TYPE)

    def discard(self) -> None:
        """Forget the content; harmless when there is none, or again."""
        self._kept.clear()
        self._close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)

    def _hurry_on(self) -> None:
        """Have a large instance hashed and brought to the disk while it comes: at its end little is left to do."""
        if self._following is not None:
            self._following.reached(self.size)
        elif self.size >= _ALONGSIDE:
            self._following = Following(self._descriptor, self._hash, self.size)
        if self.size - self._flushed >= _FLUSH_EVERY:
            # the one way in Python's library to begin writing without waiting; what is not written yet stays cached
            os.posix_fadvise(self._descriptor, self._flushed, 0, os.POSIX_FADV_DONTNEED)
            self._flushed = self.size

    def _close(self) -> None:
        if self._following is not None:
            self._following.stop()
            self._following = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def prepare(folder: Path) -> None:
    """Make a listener's folder, and remove what a crash left in it: nobody was told that it is here."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):
            path.unlink()
