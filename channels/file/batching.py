"""HL7 batch files on the way out: messages are collected durably, and become one file by their number or by time.

What is collected stands in a hidden file beside the others: for each message a line `SIZE MILLISECONDS ID`, then its
bytes. A message counts as delivered once it is synced there. The batch file is made of it under a name that follows
from the first message's id, so that a crash between its appearing and the end of the collection makes neither two
files nor a loss.
Source: HL7 v2.5.1 2.10.3 (batch protocol), 2.15.2 (BHS), 2.15.3 (BTS), 2.15.6 (FHS), 2.15.7 (FTS).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from channels._folder import sync_folder

_MODE: Final = 0o640
_HEADS: Final = 6


class Collection:
    """The open batch of one endpoint; every method blocks, and is run in a thread, one after another.

    `name` gives the file name for the id of a batch's first message; `count` closes it, `seconds` after its first
    message as well.
    """

    def __init__(
        self, folder: Path, owner: str, *, name: Callable[[str], str], count: int, seconds: float
    ) -> None:
        digest = hashlib.blake2b(owner.encode(), digest_size=4).hexdigest()
        self._folder = folder
        self._path = folder / f".{digest}.collected"
        self._hidden = folder / f".{digest}.batch.tmp"
        self._name = name
        self._count = count
        self._seconds = seconds
        self._messages: dict[str, tuple[int, int]] = {}
        self._size = 0
        self._began_ms = 0
        self._resumed = False
        self._lock = threading.Lock()

    def add(self, identifier: str, content: bytes, now_ms: int) -> str:
        """Collect one message; return `collected`, or `present` where it is there from before. OSError."""
        with self._lock:
            self._resume()
            return self._add(identifier, content, now_ms)

    def close_if_due(self, now_ms: int) -> None:
        """Make the batch file where it is time for it. OSError."""
        with self._lock:
            self._resume()
            if self._messages and now_ms >= self._began_ms + self._seconds * 1000:
                self._close()

    # ------------------------------------------------------------- under the lock

    def _resume(self) -> None:
        """Take up what an earlier process collected; a torn last message is cut off: nobody was told of it."""
        if self._resumed:
            return
        self._messages, self._size = {}, 0
        with contextlib.suppress(FileNotFoundError):
            self._read(self._path.read_bytes())
        first = next(iter(self._messages), None)
        if first is None or (self._folder / self._name(first)).exists():
            self._forget()  # its file had appeared already
        self._resumed = True

    def _read(self, data: bytes) -> None:
        while (end := data.find(b"\n", self._size)) > 0:
            length, began, identifier = [*data[self._size : end].split(b" ", 2), b"", b""][:3]
            start = end + 1
            if not length.isdigit() or not began.isdigit() or start + int(length) > len(data):
                break
            if not self._messages:
                self._began_ms = int(began)
            self._messages[identifier.decode()] = (start, int(length))
            self._size = start + int(length)
        os.truncate(self._path, self._size)

    def _add(self, identifier: str, content: bytes, now_ms: int) -> str:
        if identifier in self._messages:
            return "present"
        content = content if content.endswith((b"\r", b"\n")) else content + b"\r"
        head = b"%d %d %s\n" % (len(content), now_ms, identifier.encode())
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        try:
            os.ftruncate(descriptor, self._size)  # what a failed write left
            view = memoryview(head + content)
            at = self._size
            while view:
                written = os.pwrite(descriptor, view, at)
                view, at = view[written:], at + written
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not self._messages:
            sync_folder(self._folder)
            self._began_ms = now_ms
        self._messages[identifier] = (self._size + len(head), len(content))
        self._size = at
        if len(self._messages) >= self._count:
            self._close()
        return "collected"

    def _close(self) -> None:
        """Make the batch file of what was collected."""
        first = next(iter(self._messages))
        data = self._path.read_bytes()
        parts = [data[start : start + size] for start, size in self._messages.values()]
        content = _header(parts[0], first) + b"".join(parts) + _trailer(parts[0], len(parts))
        descriptor = os.open(
            self._hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE
        )
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(self._hidden, self._folder / self._name(first))
        sync_folder(self._folder)
        self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._messages, self._size = {}, 0


def _fields(message: bytes) -> tuple[bytes, list[bytes]]:
    mark = message[3:4] or b"|"
    line = message.partition(b"\r")[0].partition(b"\n")[0]
    return mark, (line.split(mark, _HEADS) + [b""] * _HEADS)[:_HEADS]


def _header(first: bytes, identifier: str) -> bytes:
    """Return FHS and BHS: sender and receiver of the first message, the time, and the batch's id in field 11."""
    mark, fields = _fields(first)
    now = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime()).encode()
    tail = mark.join([*fields[1:_HEADS], now, b"", b"", b"", identifier.encode()])
    return b"".join(name + mark + tail + b"\r" for name in (b"FHS", b"BHS"))


def _trailer(first: bytes, count: int) -> bytes:
    mark = first[3:4] or b"|"
    return b"BTS%b%d\rFTS%b1\r" % (mark, count, mark)
