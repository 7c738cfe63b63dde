"""Builds the system-call shim (shim.c) and arms its faults from another process."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_WORD = struct.Struct("<q")


class Word(IntEnum):
    """The words of the control file, in the order of shim.c."""

    FAIL_WRITE_AT = 0
    FAIL_WRITE_ERRNO = 1
    FAIL_SYNC_AT = 2
    FAIL_SYNC_ERRNO = 3
    FAIL_STAYS = 4
    FAIL_FILE = 5
    KILL_SITE = 6
    KILL_AT = 7
    KILL_COUNT = 8
    FIRED = 9
    WRITES = 10
    SYNCS = 11


class File(IntEnum):
    """Kinds of files that a fault may be limited to (`Word.FAIL_FILE`)."""

    ANY = 0
    WAL = 1
    DATABASE = 2
    OTHER = 3


class NoCompiler(Exception):
    """The shim cannot be built; the text says what to install."""


def build(folder: Path) -> Path:
    """Compile the shim into a folder and return the shared object."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise NoCompiler(
            "gcc is missing: this test stands between the engine and the kernel by a small C library. "
            "Run `make test` as root, or: apt-get install --no-install-recommends gcc libc6-dev"
        )
    target = folder / "shim.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompiler(f"the shim does not compile:\n{done.stderr}")
    return target


class Control:
    """The control file of one process under the shim."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(_WORD.size * len(Word)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def __getitem__(self, word: Word) -> int:
        return int(_WORD.unpack_from(self._map, word * _WORD.size)[0])

    def __setitem__(self, word: Word, value: int) -> None:
        _WORD.pack_into(self._map, word * _WORD.size, value)

    def clear(self) -> None:
        """Disarm every fault and forget what was counted."""
        for word in Word:
            self[word] = 0

    def close(self) -> None:
        self._map.close()


def environment(
    library: Path, folder: Path, *, control: Control | None = None, log: Path | None = None
) -> Mapping[str, str]:
    """Return what puts a child process under the shim, watching `folder`."""
    found = {"LD_PRELOAD": str(library), "SHIM_FOLDER": str(folder)}
    if control is not None:
        found["SHIM_CONTROL"] = str(control.path)
    if log is not None:
        found["SHIM_LOG"] = str(log)
    return found
