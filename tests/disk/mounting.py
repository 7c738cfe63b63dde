"""Mounts a small file system of its own for one test, so that it can be filled and made read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 1 << 20


class NoMount(Exception):
    """A file system cannot be mounted here; the text says what to do."""


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of `size` (`900m`) at a folder until the block ends."""
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "passerelle-test", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def allow_writing(folder: Path, *, allowed: bool) -> None:
    """Mount a folder's file system again, to be read only or to be written."""
    _mount("-o", "remount,rw" if allowed else "remount,ro", str(folder))


def fill(folder: Path) -> Path:
    """Take all the room that is left, and return the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        size = 0
        step = 64 * _CHUNK
        while step >= 512:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2
    return filler


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoMount(
            f"mount {' '.join(arguments)}: {done.stderr.strip()}. This test fills a file system of its own: run "
            "`make test` as root, where mounting is allowed (a container needs --cap-add SYS_ADMIN)"
        )
