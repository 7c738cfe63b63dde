"""Instances that a partner took and was not asked about yet: a small file that survives the death of the process.

It is not synced, so that it costs an instance next to nothing: after a loss of power the time to confirm passes, and
the engine sends such instances again.
"""

from __future__ import annotations

import os
from pathlib import Path

from channels._dicom.commands import is_uid
from channels.dicom.commitment.information import Reference

Entry = tuple[Reference, str]
"""An instance, and the id of the message that it was."""


class Unasked:
    """The file of one endpoint; what its methods write goes to the page cache, so they may be called on the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[Entry, None] = {}
        self._descriptor = -1

    def load(self) -> list[Entry]:
        """Return what was left by the time before, without what a crash left half-written."""
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").split("\n")[:-1]
        except FileNotFoundError:
            return []
        parts = [line.split(" ") for line in lines]
        return [
            (Reference(each[0], each[1]), each[2]) for each in parts if len(each) == 3 and is_uid(each[1])
        ]

    def add(self, entry: Entry) -> None:
        """Keep one more."""
        if self._descriptor < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            os.ftruncate(self._descriptor, 0)
        self._entries[entry] = None
        os.lseek(self._descriptor, 0, os.SEEK_END)
        os.write(self._descriptor, _line(entry))

    def forget(self, entries: list[Entry]) -> None:
        """Keep what is left without these, which were asked about; what a crash leaves of them is asked about twice."""
        for each in entries:
            self._entries.pop(each, None)
        if self._descriptor >= 0:
            left = b"".join(map(_line, self._entries))
            os.pwrite(self._descriptor, left, 0)
            os.ftruncate(self._descriptor, len(left))

    def close(self) -> None:
        """Give the file back; what is in it stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _line(entry: Entry) -> bytes:
    reference, message_id = entry
    return f"{reference.sop_class} {reference.sop_instance} {message_id}\n".encode("ascii")
