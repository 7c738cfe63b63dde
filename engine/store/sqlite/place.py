"""Where a store may stand: a local file system, and one process at a time."""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path

from engine.errors import StoreFailed, StoreLocked
from engine.store.protocol import StoreRefused

NETWORK = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x564C: "NCP",
    0x73757245: "Coda",
    0x5346414F: "AFS",
}
"""File system magics (statfs(2)) whose locks and fsync SQLite cannot trust."""


def file_system(folder: Path) -> int:
    """Return the magic number of the file system under a folder.

    Source: statfs(2); `f_type` is the structure's first word on every Linux.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(256)
    if libc.statfs(os.fsencode(folder), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], "little") & 0xFFFFFFFF


def refuse_network(folder: Path) -> None:
    """Raise StoreRefused where the folder lies on a network file system."""
    name = NETWORK.get(file_system(folder))
    if name is not None:
        raise StoreRefused(
            f"{folder} is on {name}: neither locks nor fsync can be trusted there; put the store on a local disk"
        )


class Lock:
    """An exclusive lock on `<db>.lock`, held until `release` or the end of the process; the file names the holder.

    Raises:
        StoreLocked: another process holds it.
        StoreFailed: the disk is full, read-only, or refuses.
    """

    def __init__(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreFailed(f"{path.parent}: the store cannot be written here: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StoreLocked(f"{path.name}: process {holder} holds this store") from error
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(handle)
            raise StoreFailed(f"{path.parent}: the store cannot be locked here: {error.strerror}") from error
        self._handle = handle

    def release(self) -> None:
        """Let another process in; the file stays, since removing it would let two in."""
        os.close(self._handle)
